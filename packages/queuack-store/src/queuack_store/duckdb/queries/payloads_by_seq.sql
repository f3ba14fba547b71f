-- Apart from the rows: joined to them, DuckDB reads every payload there is.
SELECT seq, part, payload FROM job_payloads WHERE seq IN (SELECT seq FROM queuack_wanted_seqs)
