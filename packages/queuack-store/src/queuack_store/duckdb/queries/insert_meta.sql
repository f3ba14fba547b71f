INSERT INTO queuack_meta VALUES ($schema_version, $database_id, 0, 1, 1)
