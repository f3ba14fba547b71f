INSERT INTO dag_runs
SELECT
    id::UUID, name, description, parent_id::UUID, run_key, status,
    make_timestamp((created_at * 1000000)::BIGINT), make_timestamp((completed_at * 1000000)::BIGINT),
    total, facts
FROM batch_runs
