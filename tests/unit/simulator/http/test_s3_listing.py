"""Pages of a listing, put together, are the listing: each key or common prefix once, in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.simulator.http.s3_listing import page_of
from fanout.simulator.objects import Objects

keys = st.text(alphabet="ab/\U0001f600", min_size=1, max_size=6)


def expected(stored, prefix, delimiter):
    """The listing by definition: keys below the prefix, rolled up behind the first delimiter after it."""
    seen = []
    for key in sorted(key for key in stored if key.startswith(prefix)):
        head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        entry = prefix + head + delimiter if found else key
        if entry not in seen:
            seen.append(entry)
    return seen


@given(st.sets(keys), st.sampled_from(["", "a", "a/", "b/a"]), st.sampled_from(["", "/"]), st.integers(1, 4))
def test_pages_make_up_the_listing(stored, prefix, delimiter, max_keys):
    objects = Objects()
    objects.create_bucket("b")
    for key in stored:
        objects.put("b", key, b"", content_type=None, now=0.0)
    listed, position, pages = [], "", 0
    while position is not None:
        page = page_of(
            objects, "b", prefix=prefix, delimiter=delimiter, start_after=position, max_keys=max_keys
        )
        assert len(page) <= max_keys
        listed += sorted([key for key, _ in page.contents] + page.prefixes)
        position = page.position
        pages += 1
    assert listed == expected(stored, prefix, delimiter)
    assert pages == max(1, -(-len(listed) // max_keys))
