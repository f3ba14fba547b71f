SELECT result FROM job_results WHERE rowid = $place
