SELECT j.id::BLOB, j.queue FROM jobs j
WHERE j.status = $status AND ($queue IS NULL OR j.queue = $queue)
    AND j.completed_at <= make_timestamp(($before * 1000000)::BIGINT)
    AND j.id NOT IN (
        SELECT d.parent_id FROM job_dependencies d JOIN jobs c ON c.id = d.child_id
        WHERE c.status NOT IN ('done', 'failed', 'skipped', 'cancelled')
    )
ORDER BY j.seq LIMIT $limit
