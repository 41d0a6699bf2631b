"""Implements the engine's ports on a simulated account in memory, without HTTP."""
