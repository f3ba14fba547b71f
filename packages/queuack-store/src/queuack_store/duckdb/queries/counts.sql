SELECT queue, status, count(*) FROM jobs GROUP BY ALL ORDER BY ALL
