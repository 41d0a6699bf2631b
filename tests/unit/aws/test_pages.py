"""A listing is walked through by its tokens, as far as somebody asks."""

from __future__ import annotations

import asyncio

from fanout.aws.pages import Pages
from fanout.domain.location import Location
from fanout.ports import ObjectInfo


def objects(*keys):
    return [ObjectInfo(Location("bucket", key), 1, 0.0, "") for key in keys]


LISTING = {None: (objects("a", "b"), "1"), "1": ([], "2"), "2": (objects("c"), "3"), "3": ([], None)}


def walk(listing, *, most=100):
    asked = []

    async def page(token):
        asked.append(token)
        return listing[token]

    async def main():
        found, pages = [], Pages(page)
        async for each in pages:
            found.append([info.location.key for info in each])
            if len(found) == most:
                return found
        assert [each async for each in pages] == [], "the end stays the end"
        return found

    return asyncio.run(main()), asked


def test_every_page_is_asked_for_once_and_empty_ones_are_passed_over():
    assert walk(LISTING) == ([["a", "b"], ["c"]], [None, "1", "2", "3"])


def test_nothing_is_asked_for_before_it_is_wanted():
    assert walk(LISTING, most=1) == ([["a", "b"]], [None])


def test_a_listing_may_be_empty():
    assert walk({None: ([], None)}) == ([], [None])
