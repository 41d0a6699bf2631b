"""Tells people and programs what a run does: log lines, warnings, `status.json`, metrics."""
