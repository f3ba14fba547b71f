CREATE TABLE job_progress (
    job_id UUID, attempt INTEGER, claim BIGINT, updated_at TIMESTAMP, done DOUBLE, total DOUBLE, message VARCHAR
)
