"""A pack of footers: what was packed comes back, and of whatever is not that pack, nothing does."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from fanout.source import footer_pack
from fanout.source.footer_pack import PACKS_BYTES, PackPlace, open_pack, pack, pack_place

FOOTERS = st.lists(st.binary(max_size=60), min_size=1, max_size=12)


def place_of(body):
    return PackPlace(0, len(body), sha256(body).hexdigest())


def names(footers):
    return [(f"s3://b/{index}", len(footer)) for index, footer in enumerate(footers)]


@pytest.fixture(scope="module", autouse=True)
def small_frames():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(footer_pack, "FRAME_BYTES", 64)
        yield


@given(FOOTERS, st.randoms(use_true_random=False))
def test_footers_come_back_in_whatever_order_they_are_asked_for(footers, drawn):
    body = pack(iter(footers))
    found = open_pack(body, place_of(body), names(footers))
    asked = [*enumerate(footers)] * 2
    drawn.shuffle(asked)
    for index, footer in asked:
        assert found.get(f"s3://b/{index}") == (footer or None)
    assert found.get("s3://b/another") is None


@given(FOOTERS, st.data())
def test_of_damaged_bytes_there_is_no_pack(footers, data):
    body = bytearray(pack(footers))
    place = place_of(body)
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(body) - 1))
    for damaged in (body, body[:cut], body + b"\0", b""):
        assert open_pack(bytes(damaged), place, names(footers)) is None


@given(FOOTERS, st.data())
def test_what_was_packed_for_other_units_is_none_of_these(footers, data):
    """As of a plan that names what it should not: no footer is longer than what its unit reads."""
    body = pack(footers)
    assert open_pack(body, place_of(body), names(footers)[:-1]) is None
    wrong = data.draw(st.integers(0, len(footers) - 1))
    units = names(footers)
    units[wrong] = (units[wrong][0], len(footers[wrong]) - 9)
    found = open_pack(body, place_of(body), units)
    assert found.get(units[wrong][0]) is None
    for (path, _), footer in zip(units, footers, strict=True):
        assert found.get(path) in {footer, None}


@given(st.binary(max_size=80))
def test_bytes_with_the_right_digest_that_are_no_pack_are_none(body):
    found = open_pack(body, place_of(body), [("s3://b/0", 5)])
    assert found is None or found.get("s3://b/0") is None


def test_a_frame_that_unfolds_to_more_than_its_footers_is_not_unfolded():
    frame = zstandard.compress(bytes(1 << 20))
    body = (1).to_bytes(4, "little") + (1).to_bytes(4, "little") + len(frame).to_bytes(4, "little") + frame
    assert open_pack(body, place_of(body), [("s3://b/0", 5)]).get("s3://b/0") is None


def test_alike_footers_take_a_small_part_of_their_bytes(monkeypatch):
    alike = [b"%d" % number + bytes(range(256)) * 4 for number in range(1_000)]
    monkeypatch.setattr(footer_pack, "FRAME_BYTES", 1 << 20)
    assert len(pack(alike)) < sum(map(len, alike)) / 20


def test_a_place_comes_back_and_one_that_cannot_be_is_refused():
    place = PackPlace(3, 7, "ab" * 32)
    assert pack_place(place.as_dict()) == place
    for wrong in ({"start": -1}, {"size_bytes": 0}, {"size_bytes": PACKS_BYTES + 1}):
        with pytest.raises(ValueError, match="no pack of footers stands at"):
            pack_place({**place.as_dict(), **wrong})
    with pytest.raises(KeyError):
        pack_place({"start": 3})
    assert replace(place, start=4) != place
