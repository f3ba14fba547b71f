UPDATE dag_runs SET
    status = b.status,
    completed_at = make_timestamp((b.completed_at * 1000000)::BIGINT)
FROM batch_run_states b
WHERE dag_runs.id = b.id::UUID
