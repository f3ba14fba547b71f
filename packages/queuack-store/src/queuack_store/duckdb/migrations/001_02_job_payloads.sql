-- In pieces (duckdb/pieces.py): `size` is that of the whole, the same in each of its pieces.
CREATE TABLE job_payloads (seq BIGINT, part INTEGER, size INTEGER, payload BLOB)
