"""Spells what CloudFormation templates are made of: references to resources and parameters, and the frame; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Json = Mapping[str, object]
FORMAT = "2010-09-09"  # CloudFormation user guide, AWSTemplateFormatVersion: the only one


def template(description: str, *, parameters: Json, resources: Json, outputs: Json) -> Json:
    """Return a template; sections without members are left out, as CloudFormation takes none that are empty."""
    sections = {"Parameters": parameters, "Resources": resources, "Outputs": outputs}
    return {
        "AWSTemplateFormatVersion": FORMAT,
        "Description": description,
        **{name: section for name, section in sections.items() if section},
    }


def ref(name: str) -> Json:
    """Return a reference to a parameter or a resource."""
    return {"Ref": name}


def sub(text: str) -> object:
    """Return a text whose `${Name}` CloudFormation fills in; a text without is left as it is."""
    return {"Fn::Sub": text} if "${" in text else text


def subs(value: object) -> object:
    """Return a document with each text of it as by `sub`."""
    if isinstance(value, str):
        return sub(value)
    if isinstance(value, Mapping):
        return {name: subs(inner) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [subs(inner) for inner in value]
    return value


def parameter(description: str, *, default: object = None, kind: str = "String", **bounds: object) -> Json:
    """Return a parameter; without a default, CloudFormation asks for it."""
    given = {} if default is None else {"Default": default}
    return {"Type": kind, "Description": description, **given, **bounds}


def output(description: str, value: object) -> Json:
    """Return an output of a stack."""
    return {"Description": description, "Value": value}
