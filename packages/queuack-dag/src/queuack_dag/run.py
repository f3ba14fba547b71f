"""DAGRun: a run as the store knows it, from any process, while it runs and after it has ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from queuack_store import ids, names
from queuack_store.errors import UnknownJobError
from queuack_store.requests import CancelRun, Retry
from queuack_store.states import DONE
from queuack_worker.facts import facts_of

from queuack_dag.errors import DAGStateError
from queuack_dag.standing import GATHERERS, Standing
from queuack_dag.status import Progress

if TYPE_CHECKING:
    from queuack_viz import MermaidColorScheme

_UNSUCCESSFUL = """
WITH RECURSIVE family AS (
    SELECT $run::UUID AS id
    UNION
    SELECT r.id FROM family f JOIN dag_runs r ON r.parent_id = f.id
)
SELECT id FROM jobs
WHERE dag_run_id IN (SELECT id FROM family) AND status IN ('failed', 'cancelled', 'skipped') ORDER BY seq
"""


class DAGRun(Standing):
    """One run of a DAG. It holds nothing but its id: every answer is the store's.

    Args:
        queue: an open DuckQueue on the file where the run is.
        run_id: what `DAG.submit` returned.

    Raises:
        InvalidRequestError: `run_id` is no id.
    """

    # -- waiting and running ---------------------------------------------------------------------

    def wait_for_completion(
        self,
        timeout: float | None = None,
        poll_interval: float = 1.0,
        callback: Callable[[Progress], object] | None = None,
    ) -> bool:
        """Wait until the run has ended, however; False when it has not within `timeout` seconds.

        The engine wakes it; nothing polls. With a `callback`, that is called with `get_progress()` every
        `poll_interval` seconds and once at the end.

        Raises:
            UnknownRunError: there is no such run.
        """
        from queuack_dag.waiting import wait_for_end

        limit = None if timeout is None else names.seconds(timeout, "timeout")
        tick = names.seconds(poll_interval, "poll_interval", positive=True)
        tell = None if callback is None else lambda: callback(self.get_progress())
        return wait_for_end(self, limit, tick, tell)

    def execute(
        self,
        poll_interval: float = 0.1,
        timeout: float | None = None,
        show_progress: bool = False,
        *,
        concurrency: int | None = None,
        processes: int = 0,
        timing: bool = False,
    ) -> bool:
        """Run the nodes in this process until the run has ended; True exactly when it ended `done`.

        It claims only jobs of this run and its sub-DAGs, in threads, or in `processes` child processes;
        other workers may help. When the time is up or Ctrl-C was pressed it stops cleanly, what has not
        ended goes back, and the run can be picked up again, here or elsewhere.

        Args:
            poll_interval: seconds between two looks at the progress that is shown.
            timeout: seconds; None for no limit. show_progress: a bar on the terminal.
            concurrency: threads, of this process (by default 4 per core, from 8 to 32) or of each child (1).
            timing: print one line per node at the end.

        Raises:
            KeyboardInterrupt: Ctrl-C (or SIGTERM) came; running nodes were let finish for up to 30 s, which
                may have ended the run.
            UnknownRunError: there is no such run. InvalidRequestError: a value out of its bounds.
        """
        from queuack_dag.execution import run_here
        from queuack_dag.progress import Display, Silence, write_timing

        tick = names.seconds(poll_interval, "poll_interval", positive=True)
        limit = None if timeout is None else names.seconds(timeout, "timeout")
        with Display(self.name) if show_progress else Silence() as display:

            def look() -> None:
                display.show(self.get_progress())

            try:
                status = run_here(
                    self.queue,
                    self.raw_id,
                    concurrency,
                    processes,
                    limit,
                    tick if show_progress else None,
                    look,
                )
            except UnknownJobError as error:
                raise self._unknown() from error
            if show_progress:
                look()
        if timing:
            write_timing(self.name, self.get_jobs())
        return status == DONE

    # -- changing --------------------------------------------------------------------------------

    def cancel(self, reason: str = "its run was cancelled") -> int:
        """Cancel what has not ended, sub-DAGs included, in one step; return how many jobs.

        Running nodes are told through their workers; until they have ended the run counts as running.

        Raises:
            UnknownRunError: there is no such run.
        """
        try:
            return int(self.queue.store.call(CancelRun(self.raw_id, str(reason))))
        except UnknownJobError as error:
            raise self._unknown() from error

    def retry(self, node: str) -> int:
        """Give one node (name or id) that failed, was cancelled or skipped a fresh set of attempts.

        Descendants that were skipped because of it come back with it. Of a sub-DAG: what of it did not
        succeed. Returns how many were revived by name; 0 where another parent still stands in the way.

        Raises:
            UnknownNodeError: no such node. DAGStateError: it has not ended, or is done.
        """
        found = self[node]
        if found["job_status"] not in ("failed", "cancelled", "skipped"):
            raise DAGStateError(
                f"node {found['name']!r} of run {self.dag_run_id} is {found['status'].value}: only a node "
                "that failed, was cancelled or skipped can be retried",
                node=found["name"],
            )
        wanted = [ids.to_raw(found["id"])]
        if found["task"] in GATHERERS:
            for row in self._children():
                if facts_of(row["facts"]).job == wanted[0]:
                    wanted += DAGRun(self.queue, ids.to_text(row["id"]))._unsuccessful()
        return int(self.queue.store.call(Retry(wanted)))

    def resume(self) -> int:
        """Run again what failed, was cancelled or skipped, sub-DAGs included; keep what succeeded.

        Returns how many nodes came back; workers, or `execute()`, run them.

        Raises:
            UnknownRunError: there is no such run.
        """
        self.info()
        wanted = self._unsuccessful()
        return int(self.queue.store.call(Retry(wanted))) if wanted else 0

    def _unsuccessful(self) -> list[bytes]:
        # All in one question: a map may have a hundred thousand items.
        rows = self.queue.sql(_UNSUCCESSFUL, {"run": self.dag_run_id})
        return [ids.to_raw(str(job)) for (job,) in rows]

    # -- drawing ---------------------------------------------------------------------------------

    def export_gantt(
        self, color_scheme: MermaidColorScheme | None = None, *, path: str | os.PathLike[str] | None = None
    ) -> str:
        """Return as a Mermaid Gantt when each node waited and ran; as `export_mermaid`."""
        from queuack_dag.picture import draw_run

        return draw_run(self, color_scheme, path, gantt=True)

    def export_mermaid(
        self, color_scheme: MermaidColorScheme | None = None, *, path: str | os.PathLike[str] | None = None
    ) -> str:
        """Return the run as a Mermaid flowchart, coloured by status; see `DAG.export_mermaid`."""
        from queuack_dag.picture import draw_run

        return draw_run(self, color_scheme, path)
