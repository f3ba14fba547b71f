SELECT
    job_id::BLOB, attempt, claim, worker, epoch(claimed_at), epoch(started_at), epoch(ended_at), outcome, error,
    traceback, duration_seconds, peak_rss_bytes, cpu_seconds
FROM job_attempts WHERE job_id = $id::UUID ORDER BY claim
