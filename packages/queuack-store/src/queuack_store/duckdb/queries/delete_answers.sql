DELETE FROM queuack_answers a USING batch_lows b WHERE a.session = b.session AND a.seq < b.low
