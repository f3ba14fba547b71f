UPDATE queuack_sessions SET closed_at = make_timestamp((b.closed_at * 1000000)::BIGINT)
FROM batch_closed b
WHERE queuack_sessions.id = b.id
