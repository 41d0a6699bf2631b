"""Says what of a row becomes its payload, id, options and passthrough columns, and checks it before the first row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace

from fanout.domain.records import Options
from fanout.domain.routing import options_problem
from fanout.errors import UsageError
from fanout.source.names import split_optional

JsonValue = None | bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Columns (Parquet) or fields (JSON Lines) and what they are for.

    A name is a column's, or `a.b` for a field of an object, unless a column has that very name. `name?` is one that
    a file or a row may lack: it is null there. At most one of `payload_column`, `payload_fields` and `template` is
    set. With none of them the payload is the whole row: as a JSON object, or for JSON Lines the line's own bytes.

    Attributes:
        payload_column: One column verbatim: bytes, or text as UTF-8.
        payload_fields: These fields as one JSON object, in this order.
        template: A JSON value. A text `"$name"` or `"${name}"` in it stands for the column's value, of any JSON type;
            inside a longer text it is substituted as text; `$$` is a dollar.
        location_column: Names an object that is in S3 already. Where it is null the payload is sent, if one of the
            three above selects one.
        keep: Columns copied into the output.
        defaults: Options of rows that say nothing else.
        optional: Names, without their mark, that a row may lack; see `resolved`.
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
    optional: frozenset[str] = frozenset()

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

    @property
    def named(self) -> tuple[str, ...]:
        """Every column that is named outside of a template, each once."""
        single = (self.payload_column, self.id_column, self.location_column)
        names = (*single, *self.option_columns, *self.payload_fields, *self.keep)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def resolved(self, known: Collection[str]) -> Selection:
        """Return the selection with the marks of optional names taken off; `known` are names of columns.

        Raises:
            UsageError: As `check`.
        """
        bare = {name: split_optional(name, known) for name in self.named}

        def one(name: str | None) -> str | None:
            return None if name is None else bare[name][0]

        resolved = replace(
            self,
            payload_column=one(self.payload_column),
            payload_fields=tuple(bare[name][0] for name in self.payload_fields),
            id_column=one(self.id_column),
            location_column=one(self.location_column),
            content_type_column=one(self.content_type_column),
            accept_column=one(self.accept_column),
            custom_attributes_column=one(self.custom_attributes_column),
            ttl_column=one(self.ttl_column),
            invocation_timeout_column=one(self.invocation_timeout_column),
            keep=tuple(bare[name][0] for name in self.keep),
            defaults=_said(self.defaults),
            # Where one use needs a column, the mark at another changes nothing.
            optional=frozenset(name for name, optional in bare.values() if optional)
            - {name for name, optional in bare.values() if not optional},
        )
        resolved.check()
        return resolved

    def check(self) -> None:
        """Refuse a selection that contradicts itself.

        Raises:
            UsageError: More than one payload is selected, a field or passthrough column is named twice, or an option of
                the run is beyond what the API takes.
        """
        problem = options_problem(self.defaults)
        if problem is not None:
            raise UsageError(f"{problem}; it applies to every row, so none could be sent")
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


def _said(options: Options) -> Options:
    """Return the options without empty texts, which say nothing."""

    def said(text: str | None) -> str | None:
        return text if text and text.strip() else None

    return replace(
        options,
        content_type=said(options.content_type),
        accept=said(options.accept),
        custom_attributes=said(options.custom_attributes),
    )
