"""What came of a run, or of an experiment, read from its output files alone: for a terminal, a program, a browser."""
