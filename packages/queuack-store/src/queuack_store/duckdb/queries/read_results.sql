SELECT job_id::BLOB, result FROM job_results WHERE job_id IN (SELECT id::UUID FROM queuack_wanted) ORDER BY rowid
