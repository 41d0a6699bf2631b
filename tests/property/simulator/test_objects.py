"""Whatever is put and deleted, a listing is the sorted keys below its prefix, page by page."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from fanout.simulator.objects import Objects

KEYS = ("a", "a/b", "é")  # few, so that they come and go and come again before a listing looks
PREFIXES = st.sampled_from(["", "a", "a/", "é", "z"])
PUTS = st.tuples(st.just("put"), st.sampled_from(KEYS))
DELETES = st.tuples(st.just("delete"), st.sampled_from(KEYS))
LISTINGS = st.tuples(st.just("list"), PREFIXES)
STEPS = st.lists(PUTS | DELETES | LISTINGS, min_size=8, max_size=40)


def listed(objects: Objects, prefix: str, *, page: int) -> list[str]:
    keys: list[str] = []
    while True:
        listing = objects.list("b", prefix, start_after=keys[-1] if keys else "", max_keys=page)
        keys += [key for key, _ in listing.entries]
        if not listing.truncated:
            return keys
        assert len(listing.entries) == page


@settings(deadline=None, max_examples=examples(100))  # two cores are shared by everything
@given(steps=STEPS, prefix=PREFIXES, page=st.integers(min_value=1, max_value=3))
def test_listings_agree_with_a_sorted_dict(steps: list[tuple[str, str]], prefix: str, page: int):
    objects = Objects()
    objects.create_bucket("b")
    model: dict[str, bytes] = {}
    for ordinal, (step, key) in enumerate(steps):
        if step == "put":
            model[key] = str(ordinal).encode()
            objects.put("b", key, model[key], content_type=None, now=0.0)
        elif step == "delete":
            model.pop(key, None)
            objects.delete("b", key)
        else:
            assert listed(objects, key, page=page) == sorted(k for k in model if k.startswith(key))
    assert listed(objects, prefix, page=page) == sorted(k for k in model if k.startswith(prefix))
    assert {key: objects.get("b", key).body for key in model} == model
