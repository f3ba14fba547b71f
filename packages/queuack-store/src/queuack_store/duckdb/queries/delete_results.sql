DELETE FROM job_results WHERE job_id IN (SELECT id::UUID FROM batch_purged)
