"""Everything of a run on this disk: its directory, its journal, its parts' record, its results as JSON."""
