INSERT INTO job_dependencies SELECT child_id::UUID, parent_id::UUID, position FROM batch_edges
