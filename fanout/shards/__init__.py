"""Runs one run on several processes: splits it, starts the workers, passes on their log, adds up their results."""
