SELECT job_id::BLOB, error, traceback FROM job_attempts
WHERE job_id IN (SELECT id::UUID FROM queuack_wanted)
ORDER BY claim
