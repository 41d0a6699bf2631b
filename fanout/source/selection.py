"""Says what of a row becomes its payload, id, options and passthrough columns; checked before the first row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field

from fanout.domain.records import Options
from fanout.errors import UsageError

JsonValue = None | bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Columns (Parquet) or top-level fields (JSON Lines) and what they are for.

    At most one of `payload_column`, `payload_fields` and `template` is set. With none of them the payload is the
    whole row: as a JSON object, or for JSON Lines the line's own bytes.

    Attributes:
        payload_column: One column verbatim: bytes, or text as UTF-8.
        payload_fields: These fields as one JSON object, in this order.
        template: A JSON value in which every string `"$name"` stands for the column's value, of any JSON type;
            `"$$name"` is the text `$name`.
        location_column: Names an object that is in S3 already. Where it is null the payload is sent, if one of the
            three above selects one.
        keep: Columns copied into the output.
        defaults: Options of rows that say nothing else.
    """

    _: KW_ONLY
    payload_column: str | None = None
    payload_fields: tuple[str, ...] = ()
    template: JsonValue = None
    id_column: str | None = None
    location_column: str | None = None
    content_type_column: str | None = None
    accept_column: str | None = None
    custom_attributes_column: str | None = None
    ttl_column: str | None = None
    invocation_timeout_column: str | None = None
    keep: tuple[str, ...] = ()
    defaults: Options = field(default_factory=Options)

    @property
    def whole_row(self) -> bool:
        """Whether nothing is selected as payload."""
        return self.payload_column is None and not self.payload_fields and self.template is None

    @property
    def text_options(self) -> tuple[str | None, str | None, str | None]:
        """Columns of content type, accept and custom attributes, in the order of `Options`."""
        return self.content_type_column, self.accept_column, self.custom_attributes_column

    @property
    def number_options(self) -> tuple[str | None, str | None]:
        """Columns of TTL and invocation timeout in seconds, in the order of `Options`."""
        return self.ttl_column, self.invocation_timeout_column

    @property
    def option_columns(self) -> tuple[str, ...]:
        """The option columns that are set."""
        return tuple(name for name in (*self.text_options, *self.number_options) if name is not None)

    def check(self) -> None:
        """Refuse a selection that contradicts itself.

        Raises:
            UsageError: More than one payload is selected, or a field or passthrough column is named twice.
        """
        chosen = [
            flag
            for flag, is_set in (
                ("payload column", self.payload_column is not None),
                ("payload fields", bool(self.payload_fields)),
                ("template", self.template is not None),
            )
            if is_set
        ]
        if len(chosen) > 1:
            raise UsageError(f"{' and '.join(chosen)} are both set: choose one way to make the payload")
        for role, names in (("payload fields", self.payload_fields), ("keep", self.keep)):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise UsageError(f"{role}: {min(twice)!r} is named twice")
