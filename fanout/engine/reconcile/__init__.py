"""Settles rows that no notification told of: when to look into S3, how, and what follows."""
