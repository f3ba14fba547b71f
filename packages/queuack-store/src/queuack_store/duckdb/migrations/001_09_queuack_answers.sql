CREATE TABLE queuack_answers (session BLOB, seq BIGINT, body BLOB)
