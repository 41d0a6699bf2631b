from __future__ import annotations

from fanout.domain.columns import own_column


def test_a_name_that_a_query_takes_for_a_column_of_ours_is_ours():
    assert [own_column(name) for name in ("status", "Status", "ERROR_CODE", "stat", "answer")] == [
        "status",
        "status",
        "error_code",
        None,
        None,
    ]
