"""Words and decisions of the program: values and pure functions, without I/O, clock or logging."""
