-- One row a job, its current state. Columns are public: docs/schema.md.
CREATE TABLE jobs (
    id UUID, seq BIGINT, queue VARCHAR, task VARCHAR, status VARCHAR, priority TINYINT,
    created_at TIMESTAMP, execute_after TIMESTAMP, claimed_at TIMESTAMP, claimed_by VARCHAR,
    started_at TIMESTAMP, completed_at TIMESTAMP,
    attempts INTEGER, max_attempts INTEGER, fresh_attempts INTEGER, timeout_seconds DOUBLE,
    error VARCHAR, skip_reason VARCHAR, node_name VARCHAR, dag_run_id UUID, dependency_mode VARCHAR,
    waiting_on INTEGER, claim BIGINT, session BLOB, suspect BOOLEAN,
    retry_delay_seconds DOUBLE, retry_factor DOUBLE, retry_jitter DOUBLE, retry_cap_seconds DOUBLE,
    expires_at TIMESTAMP, tags VARCHAR[]
)
