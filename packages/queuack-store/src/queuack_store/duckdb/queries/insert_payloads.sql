INSERT INTO job_payloads SELECT seq, part, size, payload FROM batch_payloads
