"""Opens AWS, endpoint, input and queue for a run, runs it, watches it, and closes everything again."""
