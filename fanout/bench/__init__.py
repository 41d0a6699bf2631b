"""The experiment: each payload both ways, inline and via S3, paired, interleaved, and timed from when it was due."""
