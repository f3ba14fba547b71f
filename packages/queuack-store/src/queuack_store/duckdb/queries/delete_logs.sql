DELETE FROM job_logs WHERE job_id IN (SELECT id::UUID FROM batch_purged)
