SELECT status, count(*) FROM jobs WHERE dag_run_id = $id::UUID GROUP BY ALL ORDER BY ALL
