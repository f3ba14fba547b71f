SELECT id::BLOB FROM jobs
WHERE status = 'failed' AND ($queue IS NULL OR queue = $queue)
ORDER BY seq LIMIT $limit
