"""Reads JSON Lines: bytes become lines, lines become records."""
