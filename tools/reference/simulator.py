"""Makes the page of the local AWS's settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from pydantic import BaseModel

from fanout.commands.schema import attribute_texts, config_schema
from fanout.simulator.settings import FaultSettings, SimulatorSettings, Spread
from tools.reference.json_types import default_of, type_of
from tools.reference.markdown import paragraphs, table


def simulator() -> str:
    """Return the page of the local AWS's settings."""
    parts = [
        "# Settings of the local AWS",
        "`fanout simulate --set KEY=VALUE`, `--settings FILE.toml`, or `[local.simulator]` in a run's TOML. Durations "
        "are seconds, shares are probabilities from 0 to 1; what is drawn follows from `seed`. A setting of type "
        "spread is two, `median_s` and `sigma` of its logarithm, and sigma 0 is a constant "
        "(`--set service_time.median_s=0.2`).",
        "```sh\nfanout simulate --set help\n```",
    ]
    schema = config_schema()["$defs"]
    for title, model in _settings(SimulatorSettings, ""):
        known = schema[model.__name__]["properties"]
        texts = attribute_texts(model)
        rows = [
            (f"`{title}{name}`", type_of(known[name], schema), default_of(known[name]), texts.get(name, ""))
            for name, field in model.model_fields.items()
            if not _is_model(field.annotation) or field.annotation is Spread
        ]
        words = paragraphs((model.__doc__ or "").partition("Attributes:")[0])
        shown = 3 if model is FaultSettings else 4  # its docstring tells of them all at once
        parts += [f"## {title.rstrip('.') or 'The endpoint and its account'}", *words]
        parts.append(table(("setting", "type", "default", "what")[:shown], [row[:shown] for row in rows]))
    return "\n\n".join(parts)


def _settings(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        kind = field.annotation
        if _is_model(kind) and kind is not Spread:
            yield from _settings(kind, f"{path}{name}.")


def _is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
