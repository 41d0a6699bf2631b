"""Says of how many values a percentile can be told."""

P999_MIN = 1_000
"""Values from which on a p99.9 is one: of fewer, it would be the largest one under another name."""
