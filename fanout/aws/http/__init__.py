"""Makes the calls of a run by our own HTTP client: signed from what was hashed before, on connections that are kept."""
