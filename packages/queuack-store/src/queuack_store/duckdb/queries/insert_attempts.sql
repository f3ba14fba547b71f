INSERT INTO job_attempts BY NAME
SELECT
    job_id::UUID AS job_id, attempt, claim, worker,
    make_timestamp((claimed_at * 1000000)::BIGINT) AS claimed_at,
    make_timestamp((started_at * 1000000)::BIGINT) AS started_at,
    make_timestamp((ended_at * 1000000)::BIGINT) AS ended_at,
    outcome, error, traceback, duration_seconds, peak_rss_bytes, cpu_seconds
FROM batch_attempts
