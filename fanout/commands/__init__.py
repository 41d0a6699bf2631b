"""Implements the verbs of the command line and of the Python API, one verb a file."""
