SELECT 1 FROM job_dependencies LIMIT 1
