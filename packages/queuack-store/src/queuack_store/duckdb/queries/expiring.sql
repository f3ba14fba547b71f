SELECT id::BLOB, epoch(expires_at) FROM jobs
WHERE expires_at IS NOT NULL AND status IN ('pending', 'delayed', 'waiting')
ORDER BY expires_at, seq LIMIT $limit
