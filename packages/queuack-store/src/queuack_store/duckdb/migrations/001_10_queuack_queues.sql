CREATE TABLE queuack_queues (name VARCHAR, paused BOOLEAN)
