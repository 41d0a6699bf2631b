"""Makes the calls of a run by our own HTTP client, which prepares signatures in advance and keeps connections open."""
