"""How long a failed attempt waits before the next: exponential backoff with a cap and jitter."""

from __future__ import annotations

import zlib

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True, array_like=True):
    """The waiting time between attempts: `delay_s × factor^(attempt-1)`, at most `cap_s`, ± jitter.

    delay_s: seconds before the second attempt (default 1). factor: default 2. jitter: share by which
    the wait varies (default 0.2 = ±20%). cap_s: seconds at most (default 300).
    """

    delay_s: float = 1.0
    factor: float = 2.0
    jitter: float = 0.2
    cap_s: float = 300.0


DEFAULT_RETRY = RetryPolicy()


def retry_delay_s(policy: RetryPolicy, attempt: int, job_id: bytes) -> float:
    """Return the seconds to wait after `attempt` (1 is the first) of this job failed.

    The jitter is drawn from the job's id and the attempt, so that the engine stays deterministic and
    jobs that failed together still spread out.
    """
    if policy.delay_s <= 0:
        return 0.0
    try:
        wait = min(policy.cap_s, policy.delay_s * policy.factor ** max(0, attempt - 1))
    except OverflowError:
        wait = policy.cap_s
    draw = zlib.crc32(job_id + attempt.to_bytes(4, "big")) / 0xFFFFFFFF
    return wait * (1 + policy.jitter * (2 * draw - 1))
