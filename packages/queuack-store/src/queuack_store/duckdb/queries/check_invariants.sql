-- One row for each rule that the rows break. Run after a repair: what opens again must also make sense.
SELECT 'job ids are unique' AS rule, count(*) - count(DISTINCT id) AS broken FROM jobs HAVING broken > 0
UNION ALL
SELECT 'job numbers are unique', count(*) - count(DISTINCT seq) AS broken FROM jobs HAVING broken > 0
UNION ALL
SELECT 'every job has a known state', count(*) AS broken FROM jobs
WHERE status NOT IN ('pending', 'delayed', 'waiting', 'claimed', 'done', 'failed', 'skipped', 'cancelled')
    OR status IS NULL
HAVING broken > 0
UNION ALL
SELECT 'every job has its payload', count(*) AS broken FROM jobs
WHERE seq NOT IN (SELECT seq FROM job_payloads) HAVING broken > 0
UNION ALL
SELECT 'every edge leads to a job', count(*) AS broken FROM job_dependencies
WHERE child_id NOT IN (SELECT id FROM jobs) OR parent_id NOT IN (SELECT id FROM jobs) HAVING broken > 0
UNION ALL
SELECT 'job numbers are below the counter', count(*) AS broken FROM jobs
WHERE seq >= (SELECT next_seq FROM queuack_meta) HAVING broken > 0
UNION ALL
SELECT 'there is one row of queuack_meta', abs(count(*) - 1) AS broken FROM queuack_meta HAVING broken > 0
