SELECT epoch(min(completed_at)) FROM jobs
WHERE status = $status AND completed_at > make_timestamp(($after * 1000000)::BIGINT)
