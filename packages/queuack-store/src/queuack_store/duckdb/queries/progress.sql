SELECT attempt, epoch(updated_at), done, total, message
FROM job_progress WHERE job_id = $id::UUID ORDER BY claim DESC LIMIT 1
