SELECT {_job_view} FROM jobs j WHERE j.dag_run_id = $id::UUID ORDER BY j.seq
