INSERT INTO job_results SELECT job_id::UUID, part, size, result FROM batch_results
