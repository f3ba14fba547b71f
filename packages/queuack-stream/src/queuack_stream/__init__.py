"""Rows by the billion in constant memory: generators to JSONL, CSV, Parquet, Arrow and pickle files, and back."""
