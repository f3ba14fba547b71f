SELECT min(epoch(created_at)) FROM jobs WHERE status = 'pending' AND queue = $queue
