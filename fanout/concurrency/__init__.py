"""Provides primitives for one event loop, cheaper than anyio's: channels, events, a byte limiter, a clock, timers."""
