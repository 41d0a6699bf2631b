"""The next step for a row: of our own table of codes, else by what AWS's code means, else by how it ended."""

from __future__ import annotations

import pytest

from fanout.domain.error_codes import ERROR_CODES
from fanout.domain.row_remedies import row_remedy


@pytest.mark.parametrize("code", ERROR_CODES)
def test_a_code_of_ours_has_the_step_of_its_table(code):
    assert row_remedy(code, ERROR_CODES[code].status) == ERROR_CODES[code].remedy


@pytest.mark.parametrize(
    ("code", "status", "step"),
    [
        ("AccessDeniedException", "rejected", "Grant what its message names"),
        ("ThrottlingException", "rejected", "Lower --rate"),
        ("ValidationError", "rejected", "AWS refused it"),
        ("ModelError", "failed", "Read its message, and the endpoint's log"),
        ("Odd", "expired", ERROR_CODES["Expired"].remedy),
        (None, "unsettled", ERROR_CODES["NoResult"].remedy),
        (None, "unknown", ERROR_CODES["DeliveryUnknown"].remedy),
        ("Odd", "later", "Read its message, then `fanout retry`"),
    ],
)
def test_other_codes_go_by_what_they_are_and_by_status(code, status, step):
    assert row_remedy(code, status).startswith(step)
