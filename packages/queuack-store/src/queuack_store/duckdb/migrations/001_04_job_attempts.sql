CREATE TABLE job_attempts (
    job_id UUID, attempt INTEGER, claim BIGINT, worker VARCHAR,
    claimed_at TIMESTAMP, started_at TIMESTAMP, ended_at TIMESTAMP,
    outcome VARCHAR, error VARCHAR, traceback VARCHAR,
    duration_seconds DOUBLE, peak_rss_bytes BIGINT, cpu_seconds DOUBLE
)
