"""Keeps the state of a run in S3, so that any host can go on with it: segments, snapshots, parts, and who owns them."""
