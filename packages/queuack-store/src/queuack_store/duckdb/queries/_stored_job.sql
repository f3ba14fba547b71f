j.id::BLOB, j.task, p.payload, j.queue, j.priority, j.max_attempts, j.timeout_seconds, j.dependency_mode,
    j.node_name, j.dag_run_id::BLOB, j.retry_delay_seconds, j.retry_factor, j.retry_jitter, j.retry_cap_seconds,
    j.tags, j.seq, j.status, epoch(j.created_at), epoch(j.execute_after), j.attempts, j.claim, j.claimed_by,
    j.session, epoch(j.claimed_at), epoch(j.started_at), epoch(j.completed_at), j.waiting_on, j.error,
    j.skip_reason, j.suspect, epoch(j.expires_at)
