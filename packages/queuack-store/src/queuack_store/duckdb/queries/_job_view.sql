j.id::BLOB, j.seq, j.queue, j.task, j.status, j.priority, epoch(j.created_at), epoch(j.execute_after),
    epoch(j.claimed_at), j.claimed_by, epoch(j.started_at), epoch(j.completed_at), j.attempts, j.max_attempts,
    j.timeout_seconds, j.error, j.skip_reason, j.node_name, j.dag_run_id::BLOB, j.dependency_mode, j.waiting_on,
    epoch(j.expires_at), j.tags, j.retry_delay_seconds, j.retry_factor, j.retry_jitter, j.retry_cap_seconds
