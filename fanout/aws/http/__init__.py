"""Our own HTTP client for the calls that are made once a record: signed once, pipelined on kept connections."""
