UPDATE job_attempts SET
    error = b.error,
    peak_rss_bytes = coalesce(b.peak_rss_bytes, job_attempts.peak_rss_bytes)
FROM batch_explained b
WHERE job_attempts.claim = b.claim AND job_attempts.job_id = b.job_id::UUID
