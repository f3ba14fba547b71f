SELECT queue, epoch(min(coalesce(execute_after, created_at))) FROM jobs WHERE status = 'pending' GROUP BY queue
