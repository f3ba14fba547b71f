DELETE FROM job_progress WHERE job_id IN (SELECT id::UUID FROM batch_purged)
