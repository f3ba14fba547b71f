SELECT seq, size FROM job_payloads WHERE part = 0 AND seq IN (SELECT seq FROM queuack_wanted_seqs)
