"""Reads Parquet: record batches become records."""
