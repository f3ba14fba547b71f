DELETE FROM queuack_sessions WHERE id IN (SELECT id FROM batch_sessions)
