"""The warnings of a run, kept for its summary."""

from __future__ import annotations

import logging

from fanout.observability.warnings import WarningLog


def test_warnings_and_worse_are_kept_once_with_their_loggers():
    log = logging.getLogger("fanout.some.module")
    with WarningLog() as kept:
        log.info("progress")
        log.warning("%d left", 3)
        log.warning("3 left")
        logging.getLogger("fanout.other").error("3 left")
        logging.getLogger("botocore").warning("of somebody else's")
    log.warning("too late")
    assert kept.warnings == {("fanout.some.module", "3 left"), ("fanout.other", "3 left")}


def test_one_inside_the_other_leaves_the_outer_one_at_work():
    log = logging.getLogger("fanout.some")
    with WarningLog() as outer:
        with WarningLog() as inner:
            log.warning("both")
        log.warning("outer")
    assert {text for _, text in inner.warnings} == {"both"}
    assert {text for _, text in outer.warnings} == {"both", "outer"}
