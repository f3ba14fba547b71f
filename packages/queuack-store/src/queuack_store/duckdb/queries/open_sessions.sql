SELECT id, pid, started, boot_id, name FROM queuack_sessions WHERE closed_at IS NULL
