"""A worker for queuack: threads or a pool of processes that run the jobs of one DuckDB file."""
