"""What an outcome adds to the graph around its job: new jobs, and children that are not to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queuack_store import ids
from queuack_store.engine.changes import MemoRow
from queuack_store.engine.entries import Job
from queuack_store.engine.handlers.endings import end, need_children, parent_ended
from queuack_store.engine.handlers.enqueueing import add_jobs, add_run, check, find_parents
from queuack_store.errors import InvalidRequestError
from queuack_store.jobs import Growth, Memo, NewJob, Outcome
from queuack_store.states import ENDED, SKIPPED, WAITING

if TYPE_CHECKING:
    from queuack_store.engine.core import Core

Parents = dict[bytes, Job | None]


def prepare(core: Core, outcomes: list[Outcome]) -> Parents:
    """Refuse what can't be added, before anything is changed; return the new jobs' parents.

    Raises:
        Missing: jobs or runs that must be read first. InvalidRequestError, UnknownJobError: nothing was
            changed.
    """
    jobs: list[NewJob] = []
    above: dict[bytes, bytes | None] = {}
    touched: set[bytes] = set()
    for outcome in outcomes:
        if outcome.growth is not None:
            jobs += outcome.growth.jobs
            above.update((run.id, run.parent_id) for run in outcome.growth.runs)
            touched.update(outcome.growth.closed)
    touched.update(fed for job in jobs for fed in job.feeds)
    if touched:  # they may be skipped, and what is behind them, too
        need_children(core, core.lookup.jobs(touched, strict=False), deep=True)
    if not jobs:
        return {}
    core.lookup.runs(run_id for run_id in above.values() if run_id and run_id not in above)
    check(core, jobs)
    parents = find_parents(core, jobs)
    _refuse_circles(core, jobs)
    return parents


def _refuse_circles(core: Core, jobs: list[NewJob]) -> None:
    """Refuse new jobs that would wait for themselves through what they feed: none of them could ever run.

    Whoever sent them may not know better: two outcomes that were on their way at once can close a circle.
    """
    closing = [job for job in jobs if job.feeds and job.parents]
    if not closing:
        return
    behind: dict[bytes, list[bytes]] = {job.id: [] for job in jobs}
    new = frozenset(behind)
    for job in jobs:
        if not all(_waits(core, fed) for fed in job.feeds):
            continue  # it will be left out
        behind[job.id] += job.feeds
        for parent in job.parents:
            behind.setdefault(parent, []).append(job.id)
    open_, seen = set[bytes](), set[bytes]()
    stack = [job.id for job in closing]
    while stack:
        at = stack[-1]
        if at in seen:  # all behind it was walked
            stack.pop()
            open_.discard(at)
            continue
        seen.add(at)
        open_.add(at)
        following = behind.get(at, [])
        if at not in new:
            for there in core.lookup.jobs([at], strict=False):
                following = [*following, *(there.children or ())]  # ended or not: a retry brings them back
        if not open_.isdisjoint(following):
            text = ids.to_text(at)
            raise InvalidRequestError(
                f"the new jobs would close a circle through job {text}, so that none of it could ever run: "
                "a new job must not depend on what waits for one that it feeds; nothing was added",
                id=text,
            )
        stack += [found for found in following if found not in seen]


def grow(core: Core, job: Job, growth: Growth, parents: Parents) -> None:
    """Add what an outcome of `job` that counts says; call before the job ends."""
    for child_id in growth.closed:
        child = core.state.jobs.get(child_id)
        if child is not None:
            _close(core, child, growth.reason)
    wanted = [spec for spec in growth.jobs if all(_waits(core, fed) for fed in spec.feeds)]
    for run in growth.runs:
        count = sum(1 for spec in wanted if spec.run_id == run.id)
        if count:
            add_run(core, run, count)
    add_jobs(core, wanted, parents)
    for spec in wanted:
        for fed in spec.feeds:
            _feed(core, core.state.jobs[fed], core.state.jobs[spec.id])
    if growth.memo is not None:
        _keep(core, job, growth.memo)


def _waits(core: Core, job_id: bytes) -> bool:
    job = core.state.jobs.get(job_id)
    return job is not None and job.status is WAITING


def _feed(core: Core, fed: Job, parent: Job) -> None:
    core.draft.touch(fed)
    if fed.fed is None:
        fed.fed = []
    fed.fed.append(parent.id)
    core.draft.on_rollback(fed.fed.pop)
    parent.children = [*(parent.children or ()), fed.id]
    if fed.status is not WAITING:
        return  # an earlier one of the new jobs was skipped at once, and took it along
    fed.waiting_on += 1
    if parent.status in ENDED:
        verdict = parent_ended(core, fed, parent)
        if verdict is not None:
            end(core, fed, "skip", verdict)


def _close(core: Core, child: Job, reason: str) -> None:
    """Skip a child for good: with no attempt to spend, nothing brings it back."""
    if child.status is WAITING:
        if child.spec.mode == "always":
            return
        end(core, child, "skip", reason)
    elif child.status is not SKIPPED:
        return
    core.draft.touch(child)
    child.skip_reason, child.max_attempts = reason, 0


def _keep(core: Core, job: Job, memo: Memo) -> None:
    made_at = core.now if memo.made_at is None else memo.made_at
    core.draft.memos.append(MemoRow(job.id, memo.key, made_at, memo.origin or job.id))
