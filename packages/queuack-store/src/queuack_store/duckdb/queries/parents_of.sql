SELECT child_id::BLOB, parent_id::BLOB FROM job_dependencies
WHERE child_id IN (SELECT id::UUID FROM queuack_wanted)
ORDER BY child_id, position
