DELETE FROM job_attempts WHERE job_id IN (SELECT id::UUID FROM batch_purged)
