-- Most jobs have none of what is in the three row(...)s: one NULL is fetched for all of it.
SELECT
    j.id::BLOB, j.task, j.queue, j.priority, j.fresh_attempts, j.max_attempts, j.timeout_seconds, j.seq, j.status,
    epoch(j.created_at), j.attempts, j.claim,
    CASE WHEN j.retry_delay_seconds IS NOT NULL OR j.expires_at IS NOT NULL OR len(j.tags) > 0 THEN row(
        j.retry_delay_seconds, j.retry_factor, j.retry_jitter, j.retry_cap_seconds, epoch(j.expires_at), j.tags
    ) END,
    CASE WHEN j.dag_run_id IS NOT NULL OR j.node_name IS NOT NULL OR j.dependency_mode <> 'all' OR j.waiting_on <> 0
    THEN row(j.dependency_mode, j.node_name, j.dag_run_id::BLOB, j.waiting_on) END,
    CASE WHEN coalesce(j.execute_after, j.claimed_at, j.started_at, j.completed_at) IS NOT NULL
        OR coalesce(j.claimed_by, j.error, j.skip_reason) IS NOT NULL OR j.session IS NOT NULL OR j.suspect
    THEN row(
        epoch(j.execute_after), j.claimed_by, j.session, epoch(j.claimed_at), epoch(j.started_at),
        epoch(j.completed_at), j.error, j.skip_reason, j.suspect
    ) END
FROM jobs j WHERE j.seq IN (SELECT seq FROM queuack_wanted_seqs)
