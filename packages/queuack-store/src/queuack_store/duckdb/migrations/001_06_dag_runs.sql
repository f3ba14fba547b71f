CREATE TABLE dag_runs (
    id UUID, name VARCHAR, description VARCHAR, parent_id UUID, run_key VARCHAR, status VARCHAR,
    created_at TIMESTAMP, completed_at TIMESTAMP, total INTEGER, facts BLOB
)
