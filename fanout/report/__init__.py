"""Reports on a run, or on an experiment, from its output files alone: for a terminal, a program, a browser."""
