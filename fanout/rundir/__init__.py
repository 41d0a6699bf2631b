"""Keeps everything of a run on this disk: its directory, its journal, its results as JSON."""
