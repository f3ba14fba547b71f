WITH best AS MATERIALIZED (
    SELECT seq FROM jobs
    WHERE status = 'delayed' AND (
        execute_after > make_timestamp(($due * 1000000)::BIGINT)
        OR (execute_after = make_timestamp(($due * 1000000)::BIGINT) AND seq > $seq)
    )
    ORDER BY execute_after, seq LIMIT $limit
)
SELECT {_stored_job}
FROM jobs j JOIN best ON best.seq = j.seq LEFT JOIN job_payloads p ON p.seq = j.seq
ORDER BY j.execute_after, j.seq
