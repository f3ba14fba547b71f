INSERT INTO queuack_answers SELECT session, seq, body FROM batch_answers
