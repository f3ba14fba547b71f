UPDATE jobs SET
    status = b.status,
    priority = b.priority,
    execute_after = make_timestamp((b.execute_after * 1000000)::BIGINT),
    attempts = b.attempts,
    claim = b.claim,
    claimed_by = b.claimed_by,
    session = b.session,
    claimed_at = make_timestamp((b.claimed_at * 1000000)::BIGINT),
    started_at = make_timestamp((b.started_at * 1000000)::BIGINT),
    completed_at = make_timestamp((b.completed_at * 1000000)::BIGINT),
    waiting_on = b.waiting_on,
    error = b.error,
    skip_reason = b.skip_reason,
    suspect = b.suspect::BOOLEAN,
    max_attempts = b.max_attempts
FROM batch_states b
WHERE jobs.seq = b.seq
