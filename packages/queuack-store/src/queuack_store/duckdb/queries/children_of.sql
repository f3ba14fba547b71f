SELECT parent_id::BLOB, child_id::BLOB FROM job_dependencies WHERE parent_id IN (SELECT id::UUID FROM queuack_wanted)
