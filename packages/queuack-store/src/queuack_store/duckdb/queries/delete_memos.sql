DELETE FROM job_memos WHERE job_id IN (SELECT id::UUID FROM batch_purged)
