INSERT INTO job_logs BY NAME
SELECT
    job_id::UUID AS job_id, attempt, claim, line, make_timestamp((logged_at * 1000000)::BIGINT) AS logged_at,
    level, message
FROM batch_logs
