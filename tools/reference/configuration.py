"""Makes the page of the TOML file: every key, with default, bounds and unit."""

from __future__ import annotations

from pydantic import BaseModel

from fanout.commands.schema import config_schema
from fanout.config.key_texts import flag_of, text_of, unit_of
from fanout.config.model import Config
from tools.reference.json_types import default_of, type_of
from tools.reference.markdown import table


def configuration() -> str:
    """Return the page of the TOML file's keys."""
    schema = config_schema()["$defs"]
    parts = [
        "# The TOML file",
        "Every key, with its type, default and bounds, the flag that sets it, and what it means. A flag overrides the "
        "variable `FANOUT_SECTION_KEY` (`FANOUT_PACING_RATE=200`), which overrides the file (`-c job.toml`), which "
        "overrides the default. Paths in the file are relative to the file. An unknown key is an error that names the "
        "nearest known one.",
        "Editors complete and check the file by its JSON Schema ([config.schema.json](../config.schema.json)). "
        "`fanout schema` prints that of the installed version; the file's first line names it:",
        "```sh\nfanout schema > fanout.schema.json\n```",
        '```toml title="job.toml"\n#:schema ./fanout.schema.json\n[pacing]\nrate = 200\n```',
        "Taplo and the extension Even Better TOML read that line.",
    ]
    for section, field in Config.model_fields.items():
        kind = field.annotation
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        known = schema[kind.__name__]["properties"]
        rows = [
            (
                f"`{key}`",
                type_of(known[key], schema),
                default_of(known[key]),
                f"`{flag}`" if (flag := flag_of(f"{section}.{key}")) else "",
                _words(f"{section}.{key}"),
            )
            for key in kind.model_fields
        ]
        parts += [f"## [{section}]", table(("key", "type", "default", "flag", "what"), rows)]
    return "\n\n".join(parts)


def _words(key: str) -> str:
    text, unit = text_of(key) or "", unit_of(key)
    named = unit is None or unit.split()[0].lower() in text.lower()
    return text if named else f"{text} In {unit}."
