-- In no order: sorting would carry all the bytes along.
SELECT job_id::BLOB, rowid, part, result FROM job_results WHERE job_id IN (SELECT id::UUID FROM queuack_wanted)
