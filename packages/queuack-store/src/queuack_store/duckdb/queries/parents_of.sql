SELECT child_id::BLOB, parent_id::BLOB FROM job_dependencies
WHERE child_id IN (SELECT id::UUID FROM wanted)
ORDER BY child_id, position
