SELECT job_id::BLOB, rowid FROM job_results WHERE job_id IN (SELECT id::UUID FROM queuack_wanted) ORDER BY rowid
