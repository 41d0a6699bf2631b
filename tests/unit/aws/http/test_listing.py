"""Pages of a listing and deletions in bulk: what is asked, and every reply that cannot be relied on."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

from fanout.aws.http.listing import delete_objects, list_page
from fanout.aws.http.reply_parser import Answer
from fanout.aws.s3_arguments import crc32
from fanout.domain.location import Location
from fanout.errors import CallError, Phase


class Channel:
    """A channel to one bucket that gives one reply and notes what was sent."""

    route = SimpleNamespace(tls=True, host="bucket.s3.amazonaws.com", path="/k", user_agent="fanout/1")

    def __init__(self, body):
        self._body = body

    async def send(self, template, values, **more):
        self.template, self.values, self.more = template, values, more
        return Answer(200, {}, self._body.encode())


def entry(key, *, size="3", modified="2026-11-20T10:00:00.000Z", etag='"e"'):
    return (
        f"<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>{modified}</LastModified>"
        f"<ETag>{etag}</ETag></Contents>"
    )


def listing(*entries, more="", encoding="<EncodingType>url</EncodingType>"):
    return f"<ListBucketResult>{encoding}{more}{''.join(entries)}</ListBucketResult>"


def page(body, *, token=None):
    channel = Channel(body)
    found = asyncio.run(
        list_page(
            channel, "bucket", "a b/", token=token, headers={"x-amz-request-payer": "requester"}, timeout_s=5
        )
    )
    return channel, found


def refusal(body, **more):
    with pytest.raises(CallError) as caught:
        page(body, **more)
    return caught.value


def test_a_page_is_asked_for_by_prefix_and_token_and_keys_are_decoded():
    channel, (found, following) = page(
        listing(entry("a+b/%C3%BC%2Bx"), entry("a b/y", size="0")), token="t/1"
    )
    assert channel.values == ("/", "continuation-token=t%2F1&encoding-type=url&list-type=2&prefix=a%20b%2F")
    assert channel.more["timeout_s"] == 5
    assert [(info.location, info.size_bytes, info.etag) for info in found] == [
        (Location("bucket", "a b/ü+x"), 3, '"e"'),
        (Location("bucket", "a b/y"), 0, '"e"'),
    ]
    assert found[0].modified_at == 1_795_168_800.0
    assert following is None


def test_keys_are_left_as_they_are_where_a_server_does_not_encode_them():
    _, (found, _) = page(listing(entry("100%25+x"), encoding=""))
    assert found[0].location.key == "100%25+x"


def test_a_page_that_is_not_the_last_names_the_next():
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>t2</NextContinuationToken>"
    assert page(listing(entry("a"), more=more), token="t1")[1][1] == "t2"
    # The same page again would be a listing without end, and none a listing that ends early.
    assert refusal(listing(entry("a"), more=more), token="t2").code == "UnreadableReply"
    assert refusal(listing(entry("a"), more="<IsTruncated>true</IsTruncated>")).code == "UnreadableReply"


@pytest.mark.parametrize(
    "broken",
    [
        entry("a", size=""),
        entry("a", size="many"),
        entry("a", modified=""),
        entry("a", modified="x"),
        entry(""),
    ],
)
def test_an_object_without_key_size_or_time_is_no_object(broken):
    error = refusal(listing(entry("good"), broken))
    assert (error.phase, error.code) == (Phase.EXCHANGE, "UnreadableReply")


def deleted(body, keys):
    channel = Channel(body)
    locations = [Location("bucket", key) for key in keys]
    return channel, asyncio.run(delete_objects(channel, locations, headers={}, timeout_s=5))


KEYS = ["plain", "a & <b>", "line\rfeed\n", "ü"]


def test_keys_are_deleted_as_they_are_spelt_and_the_body_is_protected():
    channel, refused = deleted("<DeleteResult></DeleteResult>", KEYS)
    assert refused == []
    body = channel.more["body"]
    assert [element.text for element in ET.fromstring(body).iter("Key")] == KEYS
    assert ET.fromstring(body).findtext("Quiet") == "true"
    assert channel.values == ("/", "delete=")


def test_both_checksums_go_along(monkeypatch):
    seen = {}
    made = "fanout.aws.http.s3_call.Template"

    def template(method, **options):
        seen.update(options["headers"])

    monkeypatch.setattr(made, template)
    channel, _ = deleted("<DeleteResult/>", KEYS)
    body = channel.more["body"]
    assert seen["x-amz-checksum-crc32"] == crc32(body)
    assert seen["content-md5"] == base64.b64encode(hashlib.md5(body).digest()).decode()


def test_what_s3_refuses_inside_its_200_is_told():
    body = "<DeleteResult><Error><Key>a &amp; &lt;b&gt;</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    assert deleted(body, KEYS)[1] == [Location("bucket", "a & <b>")]


def test_a_refusal_of_all_is_an_error():
    with pytest.raises(CallError, match="SlowDown"):
        deleted("<Error><Code>SlowDown</Code></Error>", KEYS)
