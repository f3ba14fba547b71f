SELECT {_stored_job}
FROM jobs j LEFT JOIN job_payloads p ON p.seq = j.seq
WHERE j.status = 'claimed'
ORDER BY j.seq
