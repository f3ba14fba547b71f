INSERT INTO jobs BY NAME
SELECT
    id::UUID AS id, seq, queue, task, status, priority,
    make_timestamp((created_at * 1000000)::BIGINT) AS created_at,
    make_timestamp((execute_after * 1000000)::BIGINT) AS execute_after,
    make_timestamp((claimed_at * 1000000)::BIGINT) AS claimed_at,
    claimed_by,
    make_timestamp((started_at * 1000000)::BIGINT) AS started_at,
    make_timestamp((completed_at * 1000000)::BIGINT) AS completed_at,
    attempts, max_attempts, fresh_attempts, timeout_seconds, error, skip_reason, node_name,
    dag_run_id::UUID AS dag_run_id, dependency_mode, waiting_on, claim, session, suspect::BOOLEAN AS suspect,
    retry_delay_seconds, retry_factor, retry_jitter, retry_cap_seconds,
    make_timestamp(((created_at + expires) * 1000000)::BIGINT) AS expires_at, tags
FROM batch_jobs
