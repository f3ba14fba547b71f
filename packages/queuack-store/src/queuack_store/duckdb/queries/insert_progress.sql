INSERT INTO job_progress BY NAME
SELECT
    job_id::UUID AS job_id, attempt, claim, make_timestamp((updated_at * 1000000)::BIGINT) AS updated_at,
    done, total, message
FROM batch_progress
