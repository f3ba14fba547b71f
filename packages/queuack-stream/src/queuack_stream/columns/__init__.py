"""Rows to Arrow columns and back, exactly; the only room that converts values."""
