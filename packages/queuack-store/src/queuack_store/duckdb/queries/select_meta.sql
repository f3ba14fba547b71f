SELECT schema_version, database_id, cycle, next_seq, next_claim FROM queuack_meta
