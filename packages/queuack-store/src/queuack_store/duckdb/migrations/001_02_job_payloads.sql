CREATE TABLE job_payloads (seq BIGINT, payload BLOB)
