"""Offers the account in memory that ships with fanout to the tests of programs that use it."""

from __future__ import annotations

from fanout.simulator.ports.cloud import MemoryCloud

__all__ = ["MemoryCloud"]
