CREATE TABLE job_dependencies (child_id UUID, parent_id UUID, position BIGINT)
