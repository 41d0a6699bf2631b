"""What a run is told, and how that is put together from flags, variables, a TOML file and defaults."""

from __future__ import annotations

from fanout.config.errors import explain
from fanout.config.load import load_config
from fanout.config.model import CollectSection, Config, MetricsSection
from fanout.domain.location import parse_prefix

__all__ = ["CollectSection", "Config", "MetricsSection", "explain", "load_config", "parse_prefix"]
