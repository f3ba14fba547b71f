"""The journal: an append-only log of checksummed records in segments. Knows bytes, not jobs."""
