INSERT INTO queuack_sessions
SELECT id, pid, started, boot_id, name, make_timestamp((closed_at * 1000000)::BIGINT) FROM batch_sessions
