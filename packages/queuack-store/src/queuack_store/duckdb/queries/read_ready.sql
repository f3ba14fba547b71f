WITH best AS MATERIALIZED (
    SELECT seq FROM jobs
    WHERE status = 'pending' AND queue = $queue AND (priority < $priority OR (priority = $priority AND seq > $seq))
    ORDER BY priority DESC, seq LIMIT $limit
)
SELECT {_stored_job}
FROM jobs j JOIN best ON best.seq = j.seq LEFT JOIN job_payloads p ON p.seq = j.seq
ORDER BY j.priority DESC, j.seq
