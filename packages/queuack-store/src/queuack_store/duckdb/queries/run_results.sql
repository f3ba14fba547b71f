-- One page of a run's jobs and whether each has a result, cut where the results of the page grow too large.
WITH page AS (
    SELECT j.seq, j.id, j.status, j.error, j.skip_reason, j.node_name, last(r.size ORDER BY r.rowid) AS size
    FROM (
        SELECT * FROM jobs WHERE dag_run_id = $id::UUID AND seq > $after ORDER BY seq LIMIT $limit
    ) j
    LEFT JOIN job_results r ON r.job_id = j.id AND r.part = 0
    GROUP BY ALL
)
SELECT seq, id::BLOB, status, size, error, skip_reason, node_name FROM page
QUALIFY coalesce(sum(size) OVER (ORDER BY seq), 0) <= $bytes OR row_number() OVER (ORDER BY seq) = 1
ORDER BY seq
