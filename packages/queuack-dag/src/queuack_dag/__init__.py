"""Workflows on top of the queuack job queue: dependencies, sub-DAGs, context, progress."""
