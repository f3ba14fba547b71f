-- The wanted runs with all runs above and below them: counts of a run include its sub-runs'.
WITH RECURSIVE up AS (
    SELECT id, parent_id FROM dag_runs WHERE id IN (SELECT id::UUID FROM queuack_wanted)
    UNION
    SELECT r.id, r.parent_id FROM up JOIN dag_runs r ON r.id = up.parent_id
), family AS (
    SELECT id FROM up
    UNION
    SELECT r.id FROM family f JOIN dag_runs r ON r.parent_id = f.id
), counted AS (
    SELECT dag_run_id, status, count(*) AS n FROM jobs
    WHERE dag_run_id IN (SELECT id FROM family) GROUP BY ALL
), listed AS (
    SELECT dag_run_id, list(status) AS statuses, list(n) AS numbers FROM counted GROUP BY dag_run_id
)
SELECT {_run}, l.statuses, l.numbers FROM dag_runs r LEFT JOIN listed l ON l.dag_run_id = r.id
WHERE r.id IN (SELECT id FROM family) ORDER BY r.created_at, r.id
