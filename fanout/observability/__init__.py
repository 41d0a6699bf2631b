"""Reports what a run does to people and programs: log lines, warnings, `status.json`, metrics."""
