"""Says in words what a JSON schema says of one key: its type, its bounds, its default."""

from __future__ import annotations

import json
from typing import Any

Schema = dict[str, Any]


def type_of(schema: Schema, known: Schema) -> str:
    """Return a property's type and bounds in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        inner = known.get(name, {})
        if name == "Spread":
            return "spread"
        return type_of(inner, known) if inner.get("type") != "object" else "table"
    if "anyOf" in schema:
        return " or ".join(type_of(each, known) for each in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}), known)}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"table of {type_of(inner, known)}" if isinstance(inner, dict) else "table"
    signs = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
    bounds = [f"{sign} {_number(schema[name])}" for name, sign in signs if name in schema]
    return " ".join([kind, ", ".join(bounds)]).strip()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def default_of(schema: Schema) -> str:
    """Return a property's default as TOML and JSON write it; nothing for one that is empty."""
    if "default" not in schema or schema["default"] in ({}, [], ""):
        return ""
    value = schema["default"]
    return f"`{json.dumps(value, ensure_ascii=False)}`" if not isinstance(value, dict) else ""
