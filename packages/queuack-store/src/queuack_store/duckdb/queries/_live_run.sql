r.id::BLOB, r.name, r.description, r.parent_id::BLOB, r.run_key, ''::BLOB, epoch(r.created_at), r.status,
    epoch(r.completed_at), r.total
