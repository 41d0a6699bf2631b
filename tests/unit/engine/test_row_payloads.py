"""Payloads in memory are counted from a row's coming in until it is not sent again."""

from __future__ import annotations

import pytest

from fanout.concurrency.notify import Notify
from fanout.domain.records import Inline, Options, Record, Staged
from fanout.engine.open_row import OpenRow
from fanout.engine.row_payloads import RowPayloads

OPTIONS = Options()


class Noted(Notify):
    """Counts."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def notify(self):
        self.count += 1
        super().notify()


def row(item, *passthrough):
    record = Record(0, None, b"", OPTIONS, passthrough)
    return OpenRow.of(record, item, upload=None, patience_s=1.0)


@pytest.mark.parametrize("keep", [True, False])
def test_what_was_sent_goes_unless_it_may_be_sent_again(keep):
    changed = Noted()
    payloads, first = RowPayloads(keep=keep, changed=changed), row(Inline(OPTIONS, b"12345"))
    payloads.enter(first)
    payloads.enter(row(Inline(OPTIONS, b"123")))
    assert payloads.held_bytes == 8
    payloads.sent(first)
    assert (payloads.held_bytes, first.item is None, changed.count) == (
        (8, False, 0) if keep else (3, True, 1)
    )
    payloads.replace(first, None)
    payloads.replace(first, None)
    assert (payloads.held_bytes, first.held_bytes) == (3, 0), "nothing is given back twice"


def test_what_stands_in_s3_holds_nothing_and_its_place_stays_to_be_sent_again():
    payloads, staged = RowPayloads(keep=False, changed=Noted()), row(Staged(OPTIONS, "s3://b/k"))
    payloads.enter(staged)
    payloads.sent(staged)
    assert (payloads.held_bytes, staged.item) == (0, Staged(OPTIONS, "s3://b/k"))


def test_kept_values_count_until_the_outcome_has_them():
    payloads, first = RowPayloads(keep=False, changed=Noted()), row(Inline(OPTIONS, b"12345"), "text", 7)
    payloads.enter(first)
    assert payloads.held_bytes == 5 + 4 + 8
    payloads.sent(first)
    assert payloads.held_bytes == 4 + 8
    payloads.settle(first)
    payloads.settle(first)
    assert (payloads.held_bytes, first.passthrough) == (0, ()), "nothing is given back twice"
