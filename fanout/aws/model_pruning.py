"""Removes from botocore's model of a service what is not called: the control plane's has 400 operations and 9 MB."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

OPERATIONS = {
    "sagemaker": frozenset({"DescribeEndpoint", "DescribeEndpointConfig"}),
    "cloudwatch": frozenset({"GetMetricStatistics"}),
}
"""By service; one that is not named keeps all: STS, of whose model the providers of credentials make clients, too."""


def prune(loader: Any, service: str) -> None:
    """Leave in the service's model what `OPERATIONS` names, before a client is made of it.

    Args:
        loader: The session's `data_loader`, which reads a model once and keeps it.
        service: A service; one that is not in `OPERATIONS` stays as it is.
    """
    if service in OPERATIONS:
        keep(loader.load_service_model(service, "service-2"), OPERATIONS[service])


def keep(model: dict[str, Any], operations: Collection[str]) -> None:
    """Take everything out of a service's model that `operations` do not need."""
    asked = model["operations"]
    model["operations"] = {name: asked[name] for name in asked if name in operations}
    shapes, needed = model["shapes"], set[str]()
    left = [shape for operation in model["operations"].values() for shape in _of_operation(operation)]
    while left:
        name = left.pop()
        if name not in needed:
            needed.add(name)
            left += _of_shape(shapes[name])
    model["shapes"] = {name: shapes[name] for name in shapes if name in needed}


def _of_operation(operation: Mapping[str, Any]) -> list[str]:
    parts = [operation[part] for part in ("input", "output") if part in operation]
    return [part["shape"] for part in (*parts, *operation.get("errors", ()))]


def _of_shape(shape: Mapping[str, Any]) -> list[str]:
    parts = [shape[part] for part in ("member", "key", "value") if part in shape]
    return [part["shape"] for part in (*parts, *shape.get("members", {}).values())]
