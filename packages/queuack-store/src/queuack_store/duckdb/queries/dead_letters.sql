SELECT {_job_view} FROM jobs j
WHERE j.status = 'failed' AND ($queue IS NULL OR j.queue = $queue)
ORDER BY j.completed_at DESC, j.seq DESC LIMIT $limit
