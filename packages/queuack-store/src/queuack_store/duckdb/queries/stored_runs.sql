-- The wanted runs with all runs above and below them: what counts for a run counts for those above it.
WITH RECURSIVE up AS (
    SELECT id, parent_id FROM dag_runs WHERE id IN (SELECT id::UUID FROM queuack_wanted)
    UNION
    SELECT r.id, r.parent_id FROM up JOIN dag_runs r ON r.id = up.parent_id
), family AS (
    SELECT id FROM up
    UNION
    SELECT r.id FROM family f JOIN dag_runs r ON r.parent_id = f.id
)
SELECT {_live_run} FROM dag_runs r WHERE r.id IN (SELECT id FROM family) ORDER BY r.created_at, r.id
