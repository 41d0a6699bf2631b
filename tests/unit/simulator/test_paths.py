from __future__ import annotations

import random

import pytest

from fanout.simulator.limits import AsyncRequest
from fanout.simulator.paths import Paths
from fanout.simulator.settings import SimulatorSettings

REQUEST = AsyncRequest("simulated", body=b"", output_extension="fanout/abcdefghij/07", filename="7.0")
HERE = "s3://simulated"


def locations(request: AsyncRequest, **settings: object) -> tuple[str, str | None]:
    paths = Paths(SimulatorSettings.model_validate(settings), rng=random.Random(0))
    return paths.locations(request, "id")


@pytest.mark.parametrize(
    ("join", "output", "failure"),
    [
        ("joined", "async-outputs/fanout/abcdefghij/07/7.0", "async-failures/fanout/abcdefghij/07/7.0"),
        (
            "suffixed",
            "async-outputs/fanout/abcdefghij/07/7.0.out",
            "async-failures/fanout/abcdefghij/07/7.0-error.out",
        ),
        ("ignored", "async-outputs/id.out", "async-failures/id-error.out"),
    ],
)
def test_the_three_ways_in_which_a_name_may_come_about(join: str, output: str, failure: str):
    assert locations(REQUEST, join=join) == (f"{HERE}/{output}", f"{HERE}/{failure}")


def test_an_endpoint_without_failure_path_names_none():
    assert locations(REQUEST, failure_prefix=None) == (f"{HERE}/async-outputs/fanout/abcdefghij/07/7.0", None)


def test_prefixes_may_be_empty_and_have_slashes():
    assert locations(REQUEST, output_prefix="", failure_prefix="/x/y/") == (
        f"{HERE}/fanout/abcdefghij/07/7.0",
        f"{HERE}/x/y/fanout/abcdefghij/07/7.0",
    )


def test_without_a_filename_each_output_has_a_name_of_its_own():
    paths = Paths(SimulatorSettings(), rng=random.Random(0))
    request = AsyncRequest("simulated", body=b"", output_extension="ext/")
    names = {paths.locations(request, "same")[0] for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(f"{HERE}/async-outputs/ext/") and name.endswith(".out") for name in names)
    assert (
        paths.locations(AsyncRequest("simulated", body=b"", filename="f"), "id")[0]
        == f"{HERE}/async-outputs/f"
    )


def test_generated_ids_are_uuids_that_follow_the_seed():
    first, second = (Paths(SimulatorSettings(), rng=random.Random(5)) for _ in range(2))
    made = first.new_id()
    assert made == second.new_id() != first.new_id()
    assert [len(part) for part in made.split("-")] == [8, 4, 4, 4, 12]
