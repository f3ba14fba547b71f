SELECT status, seconds FROM queuack_retention ORDER BY status
