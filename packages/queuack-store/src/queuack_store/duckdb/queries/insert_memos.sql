INSERT INTO job_memos
SELECT job_id::UUID, key, make_timestamp((made_at * 1000000)::BIGINT), origin_id::UUID FROM batch_memos
