SELECT {_stored_job}
FROM jobs j LEFT JOIN job_payloads p ON p.seq = j.seq
WHERE j.id IN (SELECT id::UUID FROM wanted)
