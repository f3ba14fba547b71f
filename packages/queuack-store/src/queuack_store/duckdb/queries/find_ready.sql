SELECT seq FROM jobs
WHERE status = 'pending' AND queue = $queue
    AND (priority < $priority OR (priority = $priority AND seq > $seq))
ORDER BY priority DESC, seq LIMIT $limit
