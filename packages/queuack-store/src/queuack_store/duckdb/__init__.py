"""The only room that knows DuckDB: opening and repairing the file, applying records, reading rows."""
