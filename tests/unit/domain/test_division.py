"""Who reads what: by bytes, in order, every byte once."""

from __future__ import annotations

import pytest

from fanout.domain.division import Measured, Slice, divide


def test_one_large_file_is_cut_where_a_share_ends():
    assert divide([Measured(10, None)], 3) == [[Slice(0, 0, 4, 4)], [Slice(0, 4, 7, 3)], [Slice(0, 7, 10, 3)]]


def test_many_small_files_are_not_cut():
    shares = divide([Measured(10, None)] * 100, 8)
    assert [len(share) for share in shares] == [12, 13] * 4
    assert all((piece.start, piece.end) == (0, 10) for share in shares for piece in share)


def test_row_groups_weigh_as_much_as_their_file_together():
    # The second file unfolds to a hundred times what it takes on disk, and has half of the bytes all the same.
    shares = divide([Measured(100, (5, 5)), Measured(100, (5_000, 5_000))], 4)
    assert shares == [[Slice(0, 0, 1, 50)], [Slice(0, 1, 2, 50)], [Slice(1, 0, 1, 50)], [Slice(1, 1, 2, 50)]]


def test_a_file_that_cannot_be_cut_leaves_the_other_shards_without_work():
    assert divide([Measured(1_000, (1,))], 4) == [[], [], [Slice(0, 0, 1, 1_000)], []]


@pytest.mark.parametrize("shards", [1, 2, 7, 64, 1_000])
def test_shares_are_even_and_whole_whatever_is_cut(shards):
    files = [Measured(1 << 30, None), Measured(3_000, (1,)), Measured(1 << 20, (1,) * 64), Measured(0, None)]
    pieces = [piece for share in divide(files, shards) for piece in share]
    for index, file in enumerate(files):
        own = [piece for piece in pieces if piece.file == index]
        edges = [0] if file.atoms is None else [0, len(file.atoms)]
        assert [piece.end for piece in own[:-1]] == [piece.start for piece in own[1:]]
        assert (
            [own[0].start, own[-1].end] == ([0, file.size_bytes] if file.atoms is None else edges)
            if own
            else True
        )
        assert sum(piece.size_bytes for piece in own) == file.size_bytes
    weights = [sum(piece.size_bytes for piece in share) for share in divide(files, shards)]
    assert max(weights) - min(weights) <= 2 * (1 << 20) // 64 + 6_000


def test_more_shards_than_bytes_are_not_all_needed():
    shares = divide([Measured(2, None)], 5)
    assert [piece for share in shares for piece in share] == [Slice(0, 0, 1, 1), Slice(0, 1, 2, 1)]
    assert divide([], 3) == [[], [], []]
    assert divide([Measured(0, None), Measured(8, ())], 1) == [[]]
