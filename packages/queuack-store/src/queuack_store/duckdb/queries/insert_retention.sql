INSERT INTO queuack_retention SELECT status, seconds FROM batch_retention WHERE seconds IS NOT NULL
