SELECT seq FROM jobs
WHERE status = 'pending' AND dag_run_id = $run_id::UUID AND ($queue IS NULL OR queue = $queue)
    AND (priority < $priority OR (priority = $priority AND seq > $seq))
ORDER BY priority DESC, seq LIMIT $limit
