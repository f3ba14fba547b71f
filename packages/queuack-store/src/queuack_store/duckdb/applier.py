"""Records into rows: one transaction for a run of records, its cycle number in the same commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from queuack_store.duckdb.arrow import Source, integers
from queuack_store.duckdb.batch import Batch, Columns, split
from queuack_store.duckdb.queries import sql
from queuack_store.engine.changes import Record

ANSWERS_KEPT_S = 600.0  # answers outlive their session by ten minutes
_PRUNE_EVERY_S = 60.0
_REPLAN_GROWTH = 2  # a plan made for a small table joins the wrong way round in one twice as large

_SOURCES = (
    "jobs", "payloads", "edges", "states", "results", "attempts", "explained", "runs", "run_states", "purged",
    "queues", "sessions", "closed", "answers", "lows", "tallies", "progress", "logs", "memos", "retention",
)  # fmt: skip


class Applier:
    """Applies records on one connection, which must be used by one thread at a time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._pruned_at = 0.0
        self._prepared: set[str] = set()
        self._planned_for = 0
        self._sources: dict[str, Source] = {}
        for name in _SOURCES:
            source = self._sources[name] = Source()
            source.fill(seq=integers([0]))  # DuckDB refuses to register a source without columns
            connection.register(f"batch_{name}", source)

    def apply(self, records: Sequence[Record]) -> None:
        """Apply the records in one transaction. An exception means that nothing was applied or, when it
        came from COMMIT itself, that the outcome must be read from the file.
        """
        connection = self._connection
        last = records[-1]
        self._forget_old_plans(last.next_seq)
        connection.execute("BEGIN TRANSACTION")
        try:
            for batch in split(records):
                self._write(batch)
            self._prune(last.at)
            connection.execute(
                sql("update_meta"),
                {"cycle": last.cycle, "next_seq": last.next_seq, "next_claim": last.next_claim},
            )
        except BaseException:
            # Trap T2: COMMIT after a failed statement says OK and stores nothing.
            roll_back(connection)
            raise
        finally:
            for source in self._sources.values():
                source.clear()
        try:
            connection.execute("COMMIT")
        except BaseException:
            roll_back(connection)
            raise

    def _write(self, batch: Batch) -> None:
        if batch.new_runs:
            self._bring("runs", batch.run_columns(), "insert_runs")
        if batch.runs:
            self._bring("run_states", batch.run_state_columns(), "update_runs")
        if batch.new:
            self._bring("jobs", batch.job_columns(), "insert_jobs")
            self._bring("payloads", batch.payload_columns(), "insert_payloads")
            edges = batch.edge_columns()
            if edges is not None:
                self._bring("edges", edges, "insert_edges")
        if batch.states:
            self._bring("states", batch.state_columns(), "update_jobs")
        if batch.results:
            self._bring("results", batch.result_columns(), "insert_results")
        if batch.attempts:
            self._bring("attempts", batch.attempt_columns(), "insert_attempts")
        if batch.memos:
            self._bring("memos", batch.memo_columns(), "insert_memos")
        if batch.explained:
            self._bring("explained", batch.explanation_columns(), "explain_attempts")
        self._write_observed(batch)
        self._write_upkeep(batch)
        if batch.purged:
            # Payloads first: they are found through their job's row.
            deletes = ("payloads", "results", "attempts", "progress", "logs", "memos", "edges", "jobs")
            self._bring("purged", batch.purged_columns(), *(f"delete_{name}" for name in deletes))

    def _write_observed(self, batch: Batch) -> None:
        if batch.tallies:
            self._bring("tallies", batch.tally_columns(), "delete_tallies", "insert_tallies")
        if batch.progressed:
            self._bring("progress", batch.progress_columns(), "replace_progress", "insert_progress")
        if batch.logged:
            self._bring("logs", batch.log_columns(), "insert_logs")

    def _write_upkeep(self, batch: Batch) -> None:
        if batch.retained:
            self._bring("retention", batch.retention_columns(), "delete_retention", "insert_retention")
        if batch.queues:
            self._bring("queues", batch.queue_columns(), "delete_queues", "insert_queues")
        if batch.opened:
            self._bring("sessions", batch.session_columns(), "delete_sessions", "insert_sessions")
        if batch.closed:
            self._bring("closed", batch.closed_columns(), "close_sessions")
        if batch.lows:
            self._bring("lows", batch.low_columns(), "delete_answers")
            answers = batch.answer_columns()
            if answers is not None:
                self._bring("answers", answers, "insert_answers")

    def _bring(self, source: str, columns: Columns, *statements: str) -> None:
        """Fill a source and run the statements that scan it, each planned once: planning costs 1–6 ms."""
        self._sources[source].fill(**columns)
        for name in statements:
            if name not in self._prepared:
                self._connection.execute(f"PREPARE {name} AS {sql(name)}")
                self._prepared.add(name)
            self._connection.execute(f"EXECUTE {name}")

    def _forget_old_plans(self, size: int) -> None:
        if size < self._planned_for * _REPLAN_GROWTH:
            return
        self._planned_for = size
        self._prepared.clear()  # PREPARE replaces what bears the name

    def _prune(self, now: float) -> None:
        if now - self._pruned_at < _PRUNE_EVERY_S and self._pruned_at <= now:
            return
        self._pruned_at = now
        before = {"before": now - ANSWERS_KEPT_S}
        self._connection.execute(sql("delete_old_answers"), before)
        self._connection.execute(sql("delete_old_sessions"), before)


def roll_back(connection: Any) -> None:
    """End the transaction, if there is one still, without its changes."""
    try:
        connection.execute("ROLLBACK")
    except Exception:  # "no transaction is active": DuckDB rolled back itself, or is invalidated
        pass
