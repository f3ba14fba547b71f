UPDATE queuack_meta SET cycle = $cycle, next_seq = $next_seq, next_claim = $next_claim
