"""One file per kind of request: what it changes and what it answers. `ROUTES` is the list of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from queuack_store import requests
from queuack_store.engine.handlers import (
    administering,
    claiming,
    enqueueing,
    finishing,
    observing,
    questions,
    runs,
    sessions,
    verdicts,
)

ROUTES: dict[type, Callable[..., Any]] = {
    requests.Enqueue: enqueueing.enqueue,
    requests.Claim: claiming.claim,
    requests.Finish: finishing.finish,
    requests.Heartbeat: sessions.heartbeat,
    requests.HoldBack: claiming.hold_back,
    requests.Verdict: verdicts.verdict,
    requests.Wait: questions.wait,
    requests.GetJob: questions.get_job,
    requests.GetResults: questions.get_results,
    requests.GetParents: questions.get_parents,
    requests.Stats: questions.stats,
    requests.Queues: questions.list_queues,
    requests.DeadLetters: questions.dead_letters,
    requests.Attempts: questions.attempts,
    requests.Purge: administering.purge,
    requests.Retain: administering.retain,
    requests.Retention: questions.retention,
    requests.Retry: administering.retry,
    requests.Cancel: administering.cancel,
    requests.Pause: administering.pause,
    requests.Reschedule: administering.reschedule,
    requests.Why: questions.why,
    requests.Sql: questions.sql,
    requests.Backup: questions.backup,
    requests.Export: questions.export,
    requests.Run: questions.run,
    requests.RunJobs: questions.run_jobs,
    requests.RunResults: questions.run_results,
    requests.RunChildren: questions.run_children,
    requests.WaitRun: questions.wait_run,
    requests.CancelRun: runs.cancel_run,
    requests.GetVitals: observing.vitals,
    requests.Sessions: observing.sessions,
    requests.Report: observing.report,
    requests.GetProgress: observing.get_progress,
    requests.GetLogs: observing.get_logs,
}
