CREATE TABLE queuack_sessions (
    id BLOB, pid BIGINT, started BIGINT, boot_id VARCHAR, name VARCHAR, closed_at TIMESTAMP
)
