SELECT job_id::BLOB, error, traceback FROM job_attempts
WHERE job_id IN (SELECT id::UUID FROM wanted)
ORDER BY claim
