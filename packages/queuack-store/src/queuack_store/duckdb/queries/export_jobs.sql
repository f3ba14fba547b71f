-- Ids as text: not every reader of Parquet knows UUIDs. What only the engine needs stays out.
SELECT j.* EXCLUDE (session, suspect, waiting_on)
    REPLACE (j.id::VARCHAR AS id, j.dag_run_id::VARCHAR AS dag_run_id),
    strftime(j.completed_at, '%Y-%m-%d') AS day
FROM jobs j
WHERE j.status IN ('done', 'failed', 'skipped', 'cancelled')
    AND j.completed_at >= make_timestamp(($since * 1000000)::BIGINT)
    AND j.completed_at < make_timestamp(($until * 1000000)::BIGINT)
ORDER BY j.seq
