"""Declares `[output.fields]`: values of JSON responses that become columns of the output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from fanout.domain.columns import own_column
from fanout.domain.field_types import parse_type
from fanout.domain.json_path import singular_steps
from fanout.domain.response_fields import ResponseField


def _free(name: str) -> str:
    own = own_column(name)
    if own is not None:
        raise ValueError(f"is the name of a column that every output has, {own}: choose another")
    return name


ColumnName = Annotated[str, Field(min_length=1), AfterValidator(_free)]


class FieldSection(BaseModel):
    """A line of `[output.fields]`: where the value stands and what it is; a plain text is the path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    type: str = "string"
    optional: bool = False

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # Pydantic does not look into validators that come before: without this, an editor marks a plain path.
        return {"anyOf": [{"type": "string"}, handler(core_schema)]}

    @model_validator(mode="before")
    @classmethod
    def _of_path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @field_validator("path")
    @classmethod
    def _is_path(cls, path: str) -> str:
        singular_steps(path)
        return path

    @field_validator("type")
    @classmethod
    def _is_type(cls, name: str) -> str:
        parse_type(name)
        return name

    def of(self, name: str) -> ResponseField:
        """Return the field of this name."""
        return ResponseField.of(name, path=self.path, type=self.type, optional=self.optional)


def raise_each(
    mistakes: Mapping[str, str], fields: Mapping[str, FieldSection], *, below: tuple[str, ...] = ()
) -> None:
    """Raise what is wrong with some of `fields`, by name, each with its place: its line is told.

    Raises:
        ValidationError: There is something wrong.
    """
    if mistakes:
        raise ValidationError.from_exception_data(
            "fields",
            [
                InitErrorDetails(
                    # The sentence as a value of its context: it may hold braces.
                    type=PydanticCustomError("value_error", "{said}", {"said": said}),
                    loc=(*below, name),
                    input=fields[name].path,
                )
                for name, said in mistakes.items()
            ],
        )
