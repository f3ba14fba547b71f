-- A run's sub-runs are part of it, however deep.
WITH RECURSIVE family AS (
    SELECT $run_id::UUID AS id
    UNION
    SELECT r.id FROM family f JOIN dag_runs r ON r.parent_id = f.id
)
SELECT seq FROM jobs
WHERE status = 'pending' AND dag_run_id IN (SELECT id FROM family) AND ($queue IS NULL OR queue = $queue)
    AND (priority < $priority OR (priority = $priority AND seq > $seq))
ORDER BY priority DESC, seq LIMIT $limit
