DELETE FROM queuack_sessions WHERE closed_at < make_timestamp(($before * 1000000)::BIGINT)
