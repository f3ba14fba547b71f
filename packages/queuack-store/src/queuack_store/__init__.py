"""A durable job queue in one DuckDB file that many processes use at once."""
