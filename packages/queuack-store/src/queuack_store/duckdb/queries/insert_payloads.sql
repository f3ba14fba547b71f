INSERT INTO job_payloads SELECT seq, payload FROM batch_payloads
