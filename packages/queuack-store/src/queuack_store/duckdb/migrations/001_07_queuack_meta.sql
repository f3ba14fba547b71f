-- One row. No defaults: a volatile one would be evaluated again when the log is replayed.
CREATE TABLE queuack_meta (
    schema_version INTEGER, database_id BLOB, cycle BIGINT, next_seq BIGINT, next_claim BIGINT
)
