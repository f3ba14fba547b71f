SELECT max(id)::BLOB FROM jobs
