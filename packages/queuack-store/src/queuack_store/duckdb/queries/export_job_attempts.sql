SELECT a.* REPLACE (a.job_id::VARCHAR AS job_id), strftime(a.ended_at, '%Y-%m-%d') AS day
FROM job_attempts a
WHERE a.ended_at >= make_timestamp(($since * 1000000)::BIGINT)
    AND a.ended_at < make_timestamp(($until * 1000000)::BIGINT)
ORDER BY a.claim
