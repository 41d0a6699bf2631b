"""Runs the experiment: each payload inline and via S3, paired, interleaved, and timed from when it was due."""
