"""What child processes log, passed on by their parent."""

from __future__ import annotations

import logging

import anyio

from fanout.observability.logging import JsonFormatter
from fanout.observability.warnings import WarningLog
from fanout.shards.log_relay import LogRelay


class Stream:
    def __init__(self, *pieces):
        self._pieces = iter(pieces)

    def __aiter__(self):
        return self

    async def __anext__(self):
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


def line(level, text, **extra):
    record = logging.makeLogRecord(
        {
            "name": "fanout.some",
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": text,
            **extra,
        }
    )
    return JsonFormatter().format(record).encode() + b"\n"


def test_what_children_log_is_passed_on_and_a_warning_once(caplog, capfd):
    caplog.set_level(logging.INFO)
    warning_log = WarningLog()
    relays = [LogRelay(warning_log), LogRelay(warning_log)]
    with warning_log:
        logging.getLogger("fanout.some").warning("told by %s", "this process")
        logging.getLogger("fanout.some").info("hello")
    said = (
        line(logging.WARNING, "the topic has no room")
        + line(logging.WARNING, "told by this process")
        + line(logging.INFO, "hello", row=7)
        + line(logging.DEBUG, "quiet")
        + b"Traceback (most recent call last):\n"
        + line(logging.ERROR, "the disk is full", exit_code=6)
        + b"no line end"
    )
    for relay in relays:
        anyio.run(relay.lines, Stream(said[:30], said[30:]))
    found = [
        (record.levelname, record.getMessage(), getattr(record, "row", None)) for record in caplog.records
    ]
    assert found == [
        ("WARNING", "told by this process", None),
        ("INFO", "hello", None),
        ("WARNING", "the topic has no room", None),
        ("INFO", "hello", 7),
        ("INFO", "hello", 7),
    ]
    assert [relay.last_word for relay in relays] == ["the disk is full"] * 2
    assert capfd.readouterr().err == "Traceback (most recent call last):\nno line end\n" * 2
