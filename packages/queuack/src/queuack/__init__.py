"""A job queue and workflow engine in one DuckDB file: everything from one import."""
