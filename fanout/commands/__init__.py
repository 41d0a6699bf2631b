"""Carries out what the command line and the Python API are asked for, one verb a file."""
