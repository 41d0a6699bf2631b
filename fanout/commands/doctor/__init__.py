"""Finds out before the first row whether a run can succeed: what is missing, and what to do about each."""
