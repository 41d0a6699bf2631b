"""Prints what to grant and to create on AWS before the first run."""
