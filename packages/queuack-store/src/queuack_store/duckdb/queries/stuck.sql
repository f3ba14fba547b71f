-- Work that will not go on by itself, or looks so: one row for each kind.
SELECT 'jobs wait though none of their parents is unfinished' AS kind, count(*) AS jobs FROM jobs
WHERE status = 'waiting' AND id NOT IN (
    SELECT d.child_id FROM job_dependencies d JOIN jobs p ON p.id = d.parent_id
    WHERE p.status NOT IN ('done', 'failed', 'skipped', 'cancelled')
)
HAVING jobs > 0
UNION ALL
SELECT 'runs are unfinished though all their jobs have ended', count(*) AS runs FROM dag_runs
WHERE status NOT IN ('done', 'failed', 'cancelled') AND total > 0 AND id NOT IN (
    SELECT dag_run_id FROM jobs
    WHERE dag_run_id IS NOT NULL AND status NOT IN ('done', 'failed', 'skipped', 'cancelled')
) AND id NOT IN (SELECT parent_id FROM dag_runs WHERE parent_id IS NOT NULL)
HAVING runs > 0
UNION ALL
SELECT 'jobs are ready in queues that are paused', count(*) AS jobs FROM jobs
WHERE status = 'pending' AND queue IN (SELECT name FROM queuack_queues WHERE paused)
HAVING jobs > 0
