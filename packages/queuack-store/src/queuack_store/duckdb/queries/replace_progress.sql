DELETE FROM job_progress p USING batch_progress b WHERE p.job_id = b.job_id::UUID AND p.claim = b.claim
