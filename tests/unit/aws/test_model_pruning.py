"""What is left of botocore's models: enough for what is asked, and nothing else."""

from __future__ import annotations

import botocore.loaders
import pytest
from botocore.model import ServiceModel

from fanout.aws.clients import SERVICES
from fanout.aws.model_pruning import OPERATIONS, keep, prune

MODEL = {
    "operations": {
        "Kept": {
            "input": {"shape": "Asked"},
            "output": {"shape": "Told"},
            "errors": [{"shape": "Wrong"}],
        },
        "Gone": {"input": {"shape": "Other"}},
    },
    "shapes": {
        "Asked": {"type": "structure", "members": {"Name": {"shape": "Text"}, "Again": {"shape": "Asked"}}},
        "Told": {"type": "list", "member": {"shape": "Pairs"}},
        "Pairs": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Number"}},
        "Text": {"type": "string"},
        "Number": {"type": "integer"},
        "Wrong": {"type": "structure", "members": {}},
        "Other": {"type": "structure", "members": {"Unknown": {"shape": "Lonely"}}},
        "Lonely": {"type": "string"},
    },
}


def test_what_an_operation_needs_stays():
    model = {name: dict(part) for name, part in MODEL.items()}
    keep(model, {"Kept"})
    assert set(model["operations"]) == {"Kept"}
    assert set(model["shapes"]) == {"Asked", "Told", "Pairs", "Text", "Number", "Wrong"}


@pytest.mark.parametrize("service", SERVICES)
def test_operations_that_are_kept_are_what_they_were(service):
    whole, less = botocore.loaders.Loader(), botocore.loaders.Loader()
    prune(less, service)
    before, after = (
        ServiceModel(loader.load_service_model(service, "service-2"), service) for loader in (whole, less)
    )
    assert set(after.operation_names) == OPERATIONS.get(service, set(before.operation_names))
    for name in after.operation_names:
        assert described(after.operation_model(name)) == described(before.operation_model(name))


def described(operation):
    shapes = (operation.input_shape, operation.output_shape, *operation.error_shapes)
    return operation.http, [tree(shape, ()) for shape in shapes]


def tree(shape, above):
    """Return all that a shape is made of; one that holds itself is told once."""
    if shape is None or shape.name in above:
        return None
    parts = dict(getattr(shape, "members", {}))
    parts |= {name: getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)}
    above = (*above, shape.name)
    return (
        shape.name,
        shape.type_name,
        shape.serialization,
        {name: tree(part, above) for name, part in parts.items()},
    )


def test_the_models_of_a_session_are_the_pruned_ones_when_a_client_is_made():
    """Pruned, the model is a hundredth: 9 MB that a window of rows can have instead."""
    loader = botocore.loaders.Loader()
    prune(loader, "sagemaker")
    # As botocore's ClientCreator asks for it.
    model = loader.load_service_model("sagemaker", "service-2", api_version=None)
    assert set(model["operations"]) == OPERATIONS["sagemaker"]
    assert len(model["shapes"]) < 300
