DELETE FROM job_payloads WHERE seq IN (
    SELECT seq FROM jobs WHERE id IN (SELECT id::UUID FROM batch_purged)
)
