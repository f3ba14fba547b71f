SELECT session, seq, body FROM queuack_answers ORDER BY session, seq
