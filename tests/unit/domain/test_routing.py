"""How a row travels, at both ends of every documented limit."""

from __future__ import annotations

import pytest
from support.settings import routing

from fanout.domain.location import Location
from fanout.domain.records import Inline, Options, Record, Rejected, Staged, Upload
from fanout.domain.routing import Router, options_problem

RUN = "abcdefghij"
UPLOADS = Location("bucket", "inputs")
PLAIN = Options()


def record(payload=b"", *, options=PLAIN, location=None, row=7):
    return Record(row, "id-7", payload, options, passthrough=("passthrough",), location=location)


def route(payload=b"", *, mode="auto", uploads=UPLOADS, inline_max_bytes=128_000, **facts):
    chosen = routing(RUN, mode=mode, inline_max_bytes=inline_max_bytes, uploads=uploads)
    return Router(chosen).route(record(payload, **facts))


class Long(bytes):
    """A payload that says that it is a gigabyte long."""

    def __len__(self):
        return self.pretended

    @classmethod
    def of(cls, size):
        payload = cls(b"")
        payload.pretended = size
        return payload


@pytest.mark.parametrize(
    ("size", "kind"),
    [
        (0, Inline),
        (1, Inline),
        (127_999, Inline),
        (128_000, Inline),
        (128_001, Upload),
        (6 * 1024 * 1024, Upload),
    ],
)
def test_auto_goes_inline_up_to_the_limit(size, kind):
    routed = route(b"a" * size)
    assert type(routed) is kind
    assert len(routed.payload) == size


def test_the_limit_of_the_service_is_the_default():
    router = Router(routing(RUN, uploads=UPLOADS))
    assert [type(router.route(record(b"a" * size))) for size in (128_000, 128_001)] == [Inline, Upload]


def test_an_inline_row_puts_its_payload_on_the_wire():
    assert route(b"a" * 127_999).body_bytes == 127_999


def test_the_limit_counts_bytes_and_not_characters():
    text = "é" * 64_000
    assert len(text) == 64_000
    assert type(route(text.encode())) is Inline
    assert type(route((text + "e").encode())) is Upload


def test_an_upload_has_its_place_from_run_and_row_alone():
    assert route(b"a" * 128_001, row=0x2FF).location == Location("bucket", "inputs/ff/abcdefghij/767")


def test_an_upload_without_a_prefix_stands_at_the_root_of_the_bucket():
    routed = route(b"a" * 128_001, uploads=Location("bucket", ""), row=1)
    assert routed.location == Location("bucket", "01/abcdefghij/1")


@pytest.mark.parametrize("size", [0, 1, 128_000, 128_001])
def test_s3_uploads_everything(size):
    assert type(route(b"a" * size, mode="s3")) is Upload


@pytest.mark.parametrize(("size", "kind"), [(0, Inline), (128_000, Inline), (128_001, Rejected)])
def test_inline_rejects_what_is_too_large(size, kind):
    assert type(route(b"a" * size, mode="inline")) is kind


def test_a_row_that_is_too_large_is_rejected_with_its_size_and_the_way_out():
    rejected = route(b"a" * 128_001, mode="inline")
    assert (rejected.row, rejected.id, rejected.passthrough) == (7, "id-7", ("passthrough",))
    assert rejected.code == "PayloadTooLarge"
    assert rejected.payload_bytes == 128_001
    assert "row 7" in rejected.message
    assert "128,001" in rejected.message
    assert "128,000" in rejected.message
    assert "auto or s3" in rejected.message


@pytest.mark.parametrize(("size", "kind"), [(1_000_000_000, Upload), (1_000_000_001, Rejected)])
def test_s3_takes_up_to_a_gigabyte(size, kind):
    assert type(route(Long.of(size))) is kind


@pytest.mark.parametrize("mode", ["auto", "s3"])
def test_without_a_place_for_uploads_a_large_row_is_rejected_with_the_flag_to_set(mode):
    rejected = route(b"a" * 128_001, mode=mode, uploads=None)
    assert rejected.code == "NoInputPrefix"
    assert "--input-prefix" in rejected.message
    assert "128,001" in rejected.message


def test_without_a_place_for_uploads_small_rows_go_inline():
    assert type(route(b"a" * 128_000, uploads=None)) is Inline


def test_a_lower_limit_of_the_users_counts():
    assert type(route(b"a" * 1_000, inline_max_bytes=1_000)) is Inline
    assert type(route(b"a" * 1_001, inline_max_bytes=1_000)) is Upload
    assert "1,000" in route(b"a" * 1_001, inline_max_bytes=1_000, mode="inline").message


@pytest.mark.parametrize("size", [0, 1, 128_000, 128_001])
def test_where_inline_is_not_supported_everything_goes_by_s3(size):
    assert type(route(b"a" * size, inline_max_bytes=-1)) is Upload


@pytest.mark.parametrize("size", [0, 1])
def test_where_inline_is_not_supported_and_uploads_have_no_place_every_row_is_rejected(size):
    assert route(b"a" * size, inline_max_bytes=-1, uploads=None).code == "NoInputPrefix"


# Options


def asked(**options):
    return options_problem(Options(**options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ttl_s": 60},
        {"ttl_s": 21_600},
        {"invocation_timeout_s": 1},
        {"invocation_timeout_s": 3_600},
        {"content_type": "a" * 1_024},
        {"accept": "a" * 1_024},
        {"custom_attributes": "a" * 1_024},
        {"custom_attributes": "trace=1; note ~"},
    ],
    ids=str,
)
def test_options_within_the_limits(options):
    assert asked(**options) is None
    assert type(route(options=Options(**options))) is Inline


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ttl_s": 59}, "ttl of 59 s is outside 60..21600 s"),
        ({"ttl_s": 21_601}, "ttl of 21601 s is outside 60..21600 s"),
        ({"ttl_s": 0}, "ttl of 0 s is outside 60..21600 s"),
        ({"invocation_timeout_s": 0}, "invocation timeout of 0 s is outside 1..3600 s"),
        ({"invocation_timeout_s": 3_601}, "invocation timeout of 3601 s is outside 1..3600 s"),
        ({"content_type": "a" * 1_025}, "content type has 1,025 characters, at most 1,024 are allowed"),
        ({"accept": "a" * 1_025}, "accept has 1,025 characters, at most 1,024 are allowed"),
        (
            {"custom_attributes": "a" * 1_025},
            "custom attributes has 1,025 characters, at most 1,024 are allowed",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_options_beyond_the_limits(options, said):
    assert asked(**options) == said
    rejected = route(options=Options(**options))
    assert (rejected.code, rejected.message) == ("InvalidOption", f"row 7: {said}")


@pytest.mark.parametrize("name", ["content_type", "accept", "custom_attributes"])
@pytest.mark.parametrize(
    "text",
    [
        "text/é",
        "a\nX-Injected: 1",
        "a\r\nb",
        "a\n",
        "tab\tbed",
        "nul\x00",
        "del\x7f",
        "emoji \U0001f600",
        "a\u2028b",
        "\ud800",
    ],
)
def test_a_header_takes_visible_ascii_alone(name, text):
    assert "visible US-ASCII" in asked(**{name: text})
    assert route(options=Options(**{name: text})).code == "InvalidOption"


@pytest.mark.parametrize("location", [None, "s3://bucket/key"])
def test_options_are_checked_for_every_way(location):
    assert route(options=Options(ttl_s=1), location=location).code == "InvalidOption"


def test_a_valid_row_does_not_vouch_for_the_next():
    router = Router(routing(RUN))
    good, bad = Options(ttl_s=60), Options(ttl_s=59)
    kinds = [type(router.route(record(options=options))) for options in (good, bad, good, bad, bad)]
    assert kinds == [Inline, Rejected, Inline, Rejected, Rejected]


def test_a_payload_that_was_refused_in_the_request_has_a_place_in_s3():
    router = Router(routing(RUN, uploads=UPLOADS))
    inline, large = router.route(record(b"1")), router.route(record(b"1" * 128_001))
    assert router.via_s3(7, inline) == Upload(PLAIN, b"1", large.location), (
        "the same place as for a large one"
    )
    assert Router(routing(RUN)).via_s3(7, inline) is None, "no place is named"


@pytest.mark.parametrize("forced", [{"mode": "inline"}, {"transport": "inline"}])
def test_a_payload_that_must_go_in_the_request_goes_no_other_way(forced):
    mode = forced.pop("mode", "auto")
    router = Router(routing(RUN, uploads=UPLOADS, mode=mode), inline_refused=lambda: True)
    item = router.route(Record(7, None, b"1", PLAIN, **forced))
    assert item == Inline(PLAIN, b"1", only=True)
    assert router.via_s3(7, item) is None


def test_once_the_endpoint_refuses_payloads_in_the_request_all_others_go_via_s3():
    refused = False
    router = Router(routing(RUN, uploads=UPLOADS), inline_refused=lambda: refused)
    assert type(router.route(record(b"1"))) is Inline
    refused = True
    assert type(router.route(record(b"1"))) is Upload


# Objects that are in S3 already


@pytest.mark.parametrize(
    "location",
    [
        "s3://bucket/key",
        "s3://bucket/a/b c/é".replace("é", "e"),
        "s3://my.bucket-1/a/very=odd&key",
        "https://bucket.s3.eu-west-1.amazonaws.com/key",
        "s3://b/" + "k" * (1_024 - 7),
    ],
    ids=lambda value: value[:50],
)
@pytest.mark.parametrize("mode", ["auto", "s3"])
def test_an_object_that_is_there_is_sent_as_it_is(location, mode):
    staged = route(location=location, mode=mode, uploads=None)
    assert type(staged) is Staged
    assert staged.location == location
    assert staged.body_bytes == 0


@pytest.mark.parametrize(
    "location",
    [
        "",
        "key",
        "/tmp/key",
        "bucket/key",
        "http://bucket/key",
        "gs://bucket/key",
        "S3://bucket/key",
        "s3:/bucket/key",
        "s3://",
        "s3:///key",
        " s3://bucket/key",
        "s3://bucket/ké",
        "s3://bucket/key\n",
        "s3://bucket/key\r\nX-Injected: 1",
        "s3://b/" + "k" * (1_025 - 7),
    ],
    ids=lambda value: ascii(value[:50]),
)
def test_what_is_no_location_is_rejected(location):
    rejected = route(location=location)
    assert type(rejected) is Rejected
    assert rejected.code == "InvalidLocation"
    assert rejected.message.startswith("row 7: ")
    assert len(rejected.message) < 300
