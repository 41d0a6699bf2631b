"""CloudFormation templates: what they mean once names are known, as the service would fill them in."""

from __future__ import annotations

import re
from collections.abc import Mapping


def resolved(value: object, names: Mapping[str, object]) -> object:
    """Return a part of a template with references and `Fn::Sub` filled in; a name that is not known is a KeyError."""
    if isinstance(value, Mapping):
        if value.keys() == {"Ref"}:
            return names[value["Ref"]]
        if value.keys() == {"Fn::Sub"}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: str(names[found[1]]), value["Fn::Sub"])
        return {name: resolved(inner, names) for name, inner in value.items()}
    return [resolved(inner, names) for inner in value] if isinstance(value, list | tuple) else value


def referred(value: object) -> set[str]:
    """Return the names that a part of a template refers to, attributes without the attribute."""
    if isinstance(value, Mapping):
        if value.keys() == {"Ref"}:
            return {value["Ref"]}
        if value.keys() == {"Fn::Sub"}:
            return {name.partition(".")[0] for name in re.findall(r"\$\{([^}]+)\}", value["Fn::Sub"])}
        return {name for inner in value.values() for name in referred(inner)}
    return {name for inner in value for name in referred(inner)} if isinstance(value, list | tuple) else set()
