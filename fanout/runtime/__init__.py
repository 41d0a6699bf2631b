"""Opens what a run stands on, runs it, watches it, and closes everything again."""
