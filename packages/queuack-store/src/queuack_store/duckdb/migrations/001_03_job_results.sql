-- A job may have more than one row here; the last one counts (see ReadResults in readers.py).
CREATE TABLE job_results (job_id UUID, result BLOB)
