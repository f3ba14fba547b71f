-- In pieces, as payloads. A job may have more than one result here; the last one counts.
CREATE TABLE job_results (job_id UUID, part INTEGER, size INTEGER, result BLOB)
