-- The median of each task's latest 100 successes, from the latest 20,000 attempts: what one batch may hold.
WITH recent AS MATERIALIZED (
    SELECT a.job_id, a.claim, a.duration_seconds FROM job_attempts a
    WHERE a.outcome = 'done' AND a.duration_seconds IS NOT NULL
    ORDER BY a.claim DESC LIMIT 20000
)
SELECT r.task, median(r.duration_seconds) FROM (
    SELECT jobs.task, recent.duration_seconds FROM recent JOIN jobs ON jobs.id = recent.job_id
    QUALIFY row_number() OVER (PARTITION BY jobs.task ORDER BY recent.claim DESC) <= 100
) r
GROUP BY ALL ORDER BY ALL
