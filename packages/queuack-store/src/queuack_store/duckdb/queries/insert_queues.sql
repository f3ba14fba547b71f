INSERT INTO queuack_queues SELECT name, paused::BOOLEAN FROM batch_queues
