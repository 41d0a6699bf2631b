"""Registries: each read asks anew, and the library's default registry stays empty."""

from __future__ import annotations

import prometheus_client
from prometheus_client.parser import text_string_to_metric_families

from fanout.domain.records import Outcome
from fanout.observability.metrics.families import families
from fanout.observability.metrics.fold import Fold
from fanout.observability.metrics.registry import registry

from .conftest import facts, samples


def test_a_registry_asks_anew_each_time_labels_everything_and_parses():
    fold = Fold()
    made = registry(lambda: families(facts(), fold, None), labels={"job": "x"})
    for count in (1, 2):
        fold.add(Outcome(row=0, id=None, passthrough=(), status="failed", transport="s3"))
        text = prometheus_client.generate_latest(made).decode()
        parsed = samples(text_string_to_metric_families(text))
        assert all(dict(labels)["job"] == "x" for _, labels in parsed)
        assert (
            parsed["fanout_records_total", (("job", "x"), ("status", "failed"), ("transport", "s3"))] == count
        )
        assert parsed["fanout_process_cpu_seconds_total", (("job", "x"),)] > 0


def test_no_default_registry_is_used():
    before = set(prometheus_client.REGISTRY._names_to_collectors)
    tuple(registry(lambda: families(facts(), Fold(), None)).collect())
    assert set(prometheus_client.REGISTRY._names_to_collectors) == before
    assert not any(name.startswith("fanout") for name in before)
