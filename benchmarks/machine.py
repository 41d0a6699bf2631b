"""What a benchmark ran on, as its results say it; and how results are saved."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
_PACKAGES = ("aiobotocore", "boto3", "pyarrow", "uvloop")


def describe() -> dict[str, Any]:
    """Return the machine, the versions, and how busy it was when the benchmark began."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


def save(
    path: Path,
    *,
    machine: Mapping[str, Any],
    settings: Mapping[str, Any],
    samples: list[dict[str, Any]],
    **more: Any,
) -> None:
    """Write raw numbers, a sample a line, so that a change to one is a change of one line."""
    head = {"machine": {**machine, "load_after": [round(load, 2) for load in os.getloadavg()]}}
    fields = {**head, "settings": settings, **more}
    lines = [f"{json.dumps(name)}: {json.dumps(value, indent=1)}" for name, value in fields.items()]
    rows = ",\n".join(json.dumps(_rounded(sample)) for sample in samples)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{" + ",\n".join([*lines, f'"samples": [\n{rows}\n]']) + "}\n")


def load(path: Path) -> dict[str, Any]:
    """Return results as `save` wrote them."""
    return dict(json.loads(path.read_text()))


def rotated(names: Iterable[str], by: int) -> list[str]:
    """Return `names`, beginning with another one every round: none always runs on a machine that is warmed up."""
    listed = list(names)
    by %= len(listed)
    return listed[by:] + listed[:by]


def _rounded(sample: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in sample.items()}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
