SELECT name FROM queuack_queues WHERE paused ORDER BY name
