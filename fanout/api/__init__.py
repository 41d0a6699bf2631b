"""Offers the Python API: the verbs for code without an event loop, and sessions for code with one."""
