INSERT INTO job_results SELECT job_id::UUID, result FROM batch_results
