SELECT dag_run_id::BLOB, status, count(*) FROM jobs
WHERE dag_run_id IN (SELECT id::UUID FROM queuack_wanted)
GROUP BY ALL ORDER BY ALL
