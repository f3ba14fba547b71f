WITH RECURSIVE family AS (
    SELECT id FROM dag_runs WHERE id = $id::UUID
    UNION
    SELECT r.id FROM family f JOIN dag_runs r ON r.parent_id = f.id
)
SELECT id::BLOB FROM jobs
WHERE dag_run_id IN (SELECT id FROM family) AND status NOT IN ('done', 'failed', 'skipped', 'cancelled')
ORDER BY seq
