"""Provides primitives for one event loop, cheaper than anyio's: channel, notify, event, byte limiter, clock, threads."""
