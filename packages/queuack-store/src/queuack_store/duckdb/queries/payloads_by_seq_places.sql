SELECT seq, rowid FROM job_payloads WHERE seq IN (SELECT seq FROM queuack_wanted_seqs)
