"""The warnings of a run: those that a person was shown, and those that its summary repeats."""

from __future__ import annotations

import logging

from fanout.observability.warnings import WarningLog


def test_what_bears_on_the_result_is_said_once_and_kept_in_order(caplog):
    with WarningLog() as shown:
        for text in ("first", "second", "first"):
            shown.warn(text)
    assert shown.of_run == ("first", "second")
    assert [record.getMessage() for record in caplog.records] == ["first", "second"]


def test_what_others_warn_of_is_known_and_not_repeated():
    with WarningLog() as shown:
        logging.getLogger("fanout.engine").warning("slow %s", "disk")
        logging.getLogger("fanout.engine").info("all is well")
        shown.warn("no topic")
    logging.getLogger("fanout.engine").warning("too late")
    assert shown.of_run == ("no topic",)
    assert shown.warnings == {("fanout.engine", "slow disk"), ("fanout.observability.warnings", "no topic")}
