-- Under which key a job's result may be used again, and which job computed it, when.
CREATE TABLE job_memos (job_id UUID, key BLOB, made_at TIMESTAMP, origin_id UUID)
