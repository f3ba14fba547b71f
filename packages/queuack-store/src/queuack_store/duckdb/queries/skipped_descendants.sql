-- Only skipped jobs pass it on: beyond one that ran, nothing was skipped because of these.
WITH RECURSIVE below AS (
    SELECT d.child_id AS id FROM job_dependencies d JOIN jobs c ON c.id = d.child_id
    WHERE c.status = 'skipped' AND d.parent_id IN (SELECT id::UUID FROM queuack_wanted)
    UNION
    SELECT d.child_id FROM below b JOIN job_dependencies d ON d.parent_id = b.id JOIN jobs c ON c.id = d.child_id
    WHERE c.status = 'skipped'
)
SELECT j.id::BLOB FROM jobs j JOIN below ON below.id = j.id ORDER BY j.seq
