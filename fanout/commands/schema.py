"""Makes the JSON Schema of the configuration, by which editors complete and check a TOML file; pure.

Keys, types and bounds are those of `config.model`, sentences those of `config.key_texts`, and `[local.simulator]` is
that of the local AWS. What depends on two keys at once (column, fields and template) is left to the program.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from pydantic import BaseModel

from fanout.config.key_texts import text_of
from fanout.config.model import Config
from fanout.simulator.settings import SimulatorSettings

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> Schema:
    """Return the JSON Schema of a configuration file, with a default and a sentence for each key."""
    schema = Config.model_json_schema()
    local = SimulatorSettings.model_json_schema()
    definitions = schema.pop("$defs") | local.pop("$defs")
    definitions["SimulatorSettings"] = local
    for model in _models(SimulatorSettings):
        _describe(definitions[model.__name__], attribute_texts(model))
    for section, field in Config.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            words = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
            definitions[kind.__name__]["description"] = words.replace("`", "")
            _describe(
                definitions[kind.__name__],
                {name: text_of(f"{section}.{name}") or "" for name in kind.model_fields},
            )
            schema["properties"][section] = {"$ref": f"#/$defs/{kind.__name__}"}
    definitions["LocalSection"]["properties"]["simulator"] = {
        "$ref": "#/$defs/SimulatorSettings",
        "description": text_of("local.simulator"),
    }
    whole: Schema = {"$schema": DIALECT, "title": "Configuration of fanout"}
    whole.update(_tidied({**schema, "$defs": definitions}))
    return whole


def attribute_texts(model: type) -> dict[str, str]:
    """Return what the docstring of `model` says of each of its attributes."""
    section = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return `model` and the models of its fields."""
    inner = [field.annotation for field in model.model_fields.values() if isinstance(field.annotation, type)]
    return [model, *(each for each in inner if issubclass(each, BaseModel))]


def _describe(schema: Schema, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        if text:
            schema["properties"][name]["description"] = text


def _tidied(value: Any) -> Any:
    """Return a schema without null, which TOML does not have, and without titles, which repeat the names of keys."""
    if isinstance(value, list):
        return [_tidied(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {
        name: _tidied(each)
        for name, each in value.items()
        if not (name == "default" and each is None) and not (name == "title" and isinstance(each, str))
    }
    some = [each for each in inner.get("anyOf", ()) if each != {"type": "null"}]
    if len(some) == 1:
        del inner["anyOf"]
        return {**some[0], **inner}
    return inner
