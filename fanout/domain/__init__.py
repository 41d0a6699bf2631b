"""Defines the values and the decisions of the program: pure functions, without I/O, clock or logging."""
