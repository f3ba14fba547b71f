SELECT seq FROM jobs
WHERE status = 'delayed' AND (
    execute_after > make_timestamp(($due * 1000000)::BIGINT)
    OR (execute_after = make_timestamp(($due * 1000000)::BIGINT) AND seq > $seq)
)
ORDER BY execute_after, seq LIMIT $limit
