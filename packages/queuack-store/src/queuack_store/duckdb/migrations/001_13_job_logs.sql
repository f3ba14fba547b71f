CREATE TABLE job_logs (
    job_id UUID, attempt INTEGER, claim BIGINT, line INTEGER, logged_at TIMESTAMP, level VARCHAR, message VARCHAR
)
