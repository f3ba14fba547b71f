DELETE FROM queuack_queues WHERE name IN (SELECT name FROM batch_queues)
