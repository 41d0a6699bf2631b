"""What each verb does, one a file, behind the command line and the Python API."""
