"""What a run is told, and how that is put together from flags, variables, a TOML file and defaults."""

from __future__ import annotations

from fanout.config.load import load_config
from fanout.config.problems import explain
from fanout.config.sections import CollectSection, Config, MetricsSection, parse_prefix

__all__ = ["CollectSection", "Config", "MetricsSection", "explain", "load_config", "parse_prefix"]
