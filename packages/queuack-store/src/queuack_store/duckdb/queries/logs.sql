-- The latest lines, oldest first.
SELECT attempt, line, epoch(logged_at), level, message FROM (
    FROM job_logs WHERE job_id = $id::UUID ORDER BY claim DESC, line DESC LIMIT $limit
) ORDER BY claim, line
