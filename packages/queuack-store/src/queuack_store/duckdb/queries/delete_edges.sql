DELETE FROM job_dependencies
WHERE child_id IN (SELECT id::UUID FROM batch_purged) OR parent_id IN (SELECT id::UUID FROM batch_purged)
