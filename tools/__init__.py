"""Holds what makes the documentation; nothing of it is in the wheel."""
