"""S3 behind HTTP, called by botocore and s3transfer: objects, listings, parts, checksums, and the errors of each."""

from __future__ import annotations

import hashlib
import io
import zlib
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, IncompleteReadError, ResponseStreamingError
from s3transfer.manager import TransferConfig, TransferManager
from support.simulator_http import serving

ODD_KEYS = [
    "a b+c&d=e?f#g",
    "ü/\U0001f600/%2F",
    "//double//",
    "../up/./.",
    "~!*'()-_.",
    'quo"te<x>&amp;',
    "tab\tnewline\n",
]


@pytest.fixture(scope="module")
def served():
    with serving(buckets=["simulated", "inputs"]) as served:
        yield served


@pytest.fixture(scope="module")
def s3(served):
    return served.client("s3")


@pytest.fixture
def bucket(served, request):
    name = f"b-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20]}"
    served.world.objects.create_bucket(name)
    return name


def code_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"]


def test_an_object_comes_back_as_it_was_put(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"payload", ContentType="text/x-test")
    assert put["ETag"] == f'"{hashlib.md5(b"payload").hexdigest()}"'
    assert put["ChecksumCRC32"] == b64encode(zlib.crc32(b"payload").to_bytes(4, "big")).decode()
    assert put["ResponseMetadata"]["RequestId"]
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"payload"
    assert (got["ContentType"], got["ContentLength"], got["ETag"]) == ("text/x-test", 7, put["ETag"])
    assert abs((datetime.now(UTC) - got["LastModified"]).total_seconds()) < 10
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentType"], head["ContentLength"], head["ETag"]) == ("text/x-test", 7, put["ETag"])


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_survive_both_styles(served, bucket, key, style):
    url = served.url.replace("127.0.0.1", "localhost") if style == "virtual" else served.url
    s3 = served.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": style}))
    if style == "virtual":
        # There is no DNS for bucket.localhost in a test: the request goes to the server, its Host says the rest.
        s3.meta.events.register("before-send.s3", lambda request, **_: redirect(request, served))
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert served.world.objects.find(bucket, key).body == key.encode()


def redirect(request, served):
    host = request.url.split("/")[2]
    request.headers["Host"] = host
    request.url = request.url.replace(host, "{}:{}".format(*served.address), 1)


@pytest.mark.parametrize(
    ("asked", "expected", "content_range"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=8-", b"89", "bytes 8-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=5-99", b"56789", "bytes 5-9/10"),
    ],
)
def test_a_range_is_a_part(s3, bucket, asked, expected, content_range):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert (got["ResponseMetadata"]["HTTPStatusCode"], got["ContentRange"]) == (206, content_range)
    assert got["Body"].read() == expected


def test_a_range_behind_the_end_is_refused_and_a_malformed_one_ignored(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    assert code_of(s3.get_object, Bucket=bucket, Key="k", Range="bytes=10-") == (416, "InvalidRange")
    assert s3.get_object(Bucket=bucket, Key="k", Range="lines=1-2")["Body"].read() == b"0123456789"


def test_conditions_hold(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    again = {"Bucket": bucket, "Key": "k", "Body": b"2", "IfNoneMatch": "*"}
    assert code_of(s3.put_object, **again) == (412, "PreconditionFailed")
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read() == b"1"
    assert code_of(s3.get_object, Bucket=bucket, Key="k", IfMatch='"x"') == (412, "PreconditionFailed")
    assert code_of(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == (304, "304")


def test_what_is_not_there_is_missing_by_name(s3, bucket):
    assert code_of(s3.get_object, Bucket=bucket, Key="none") == (404, "NoSuchKey")
    assert code_of(s3.head_object, Bucket=bucket, Key="none") == (404, "404")
    assert code_of(s3.get_object, Bucket="no-such-bucket", Key="k") == (404, "NoSuchBucket")
    assert code_of(s3.head_bucket, Bucket="no-such-bucket") == (404, "404")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=bucket, Key="none")


def test_missing_is_forbidden_without_the_right_to_list():
    with serving(faults={"s3_forbidden_for_missing": True}) as served:
        s3 = served.client("s3")
        assert code_of(s3.get_object, Bucket="simulated", Key="none") == (403, "AccessDenied")
        assert code_of(s3.head_object, Bucket="simulated", Key="none") == (403, "403")


def test_another_owners_bucket_is_refused(s3, bucket):
    account = "123456789012"
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ExpectedBucketOwner=account)
    asked = {"Bucket": bucket, "Key": "k", "ExpectedBucketOwner": "210987654321"}
    assert code_of(s3.get_object, **asked) == (403, "AccessDenied")


def test_encryption_is_confirmed(s3, bucket):
    put = s3.put_object(
        Bucket=bucket,
        Key="k",
        Body=b"1",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId="key",
        BucketKeyEnabled=True,
    )
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == (
        "aws:kms",
        "key",
        True,
    )


@pytest.mark.parametrize("in_parts", [False, True])
def test_encryption_and_tags_are_kept(s3, bucket, in_parts):
    asked = {"ServerSideEncryption": "AES256", "Tagging": "team=a%20b&empty="}
    if in_parts:
        upload = s3.create_multipart_upload(Bucket=bucket, Key="k", **asked)["UploadId"]
        part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"1")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    else:
        s3.put_object(Bucket=bucket, Key="k", Body=b"1", **asked)
    for told in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        assert told["ServerSideEncryption"] == "AES256"
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    tags = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert tags == [{"Key": "team", "Value": "a b"}, {"Key": "empty", "Value": ""}]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"ServerSideEncryption": "ROT13"}, "InvalidArgument"),
        ({"ServerSideEncryption": "AES256", "SSEKMSKeyId": "key"}, "InvalidArgument"),
        ({"Tagging": "&".join(f"k{number}=v" for number in range(11))}, "BadRequest"),
        ({"Tagging": f"{'k' * 129}=v"}, "InvalidTag"),
        ({"Tagging": f"k={'v' * 257}"}, "InvalidTag"),
        ({"Tagging": "k=1&k=2"}, "InvalidTag"),
    ],
)
def test_what_cannot_be_kept_is_refused(s3, bucket, asked, code):
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"1", **asked) == (400, code)


def test_a_key_that_is_disabled_encrypts_nothing():
    with serving(faults={"disabled_kms_keys": ["alias/gone"]}) as served:
        s3, asked = served.client("s3"), {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/gone"}
        place = {"Bucket": "simulated", "Key": "k"}
        for call, more in ((s3.put_object, {"Body": b"1"}), (s3.create_multipart_upload, {})):
            assert code_of(call, **place, **asked, **more) == (400, "KMS.DisabledException")
        s3.put_object(**place, Body=b"1", **(asked | {"SSEKMSKeyId": "alias/other"}))


def test_a_bucket_whose_requester_pays_wants_that_said():
    with serving(buckets=["simulated", "theirs"], requester_pays=["theirs"]) as served:
        s3 = served.client("s3")
        assert code_of(s3.put_object, Bucket="theirs", Key="k", Body=b"1") == (403, "AccessDenied")
        assert code_of(s3.list_objects_v2, Bucket="theirs") == (403, "AccessDenied")
        put = s3.put_object(Bucket="theirs", Key="k", Body=b"1", RequestPayer="requester")
        assert put["RequestCharged"] == "requester"
        assert "RequestCharged" not in s3.put_object(Bucket="simulated", Key="k", Body=b"1")


def test_objects_are_deleted_one_by_one_and_many_at_once(s3, bucket):
    for key in ("a", "b<&>", "c"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_object(Bucket=bucket, Key="a")
    reply = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b<&>"}, {"Key": "none"}]})
    assert [item["Key"] for item in reply["Deleted"]] == ["b<&>", "none"]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "c"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    too_many = {"Objects": [{"Key": str(number)} for number in range(1_001)]}
    assert code_of(s3.delete_objects, Bucket=bucket, Delete=too_many) == (400, "MalformedXML")


def test_a_listing_comes_in_pages(s3, served, bucket):
    keys = sorted(f"p/{number:04d} ü" for number in range(2_005))
    for key in [*keys, "q"]:
        served.world.objects.put(bucket, key, b"x", content_type=None, now=0.0)
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="p/"))
    assert [page["KeyCount"] for page in pages] == [1_000, 1_000, 5]
    assert [page["IsTruncated"] for page in pages] == [True, True, False]
    assert [item["Key"] for page in pages for item in page["Contents"]] == keys
    assert pages[0]["Contents"][0]["Size"] == 1
    after = s3.list_objects_v2(Bucket=bucket, Prefix="p/", StartAfter=keys[2_002])
    assert [item["Key"] for item in after["Contents"]] == keys[2_003:]


def test_a_delimiter_rolls_up(s3, bucket):
    for key in ("a", "b/1", "b/2", "c/1/x", "d"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    pages = list(
        s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2}
        )
    )
    assert [[item["Key"] for item in page.get("Contents", [])] for page in pages] == [["a"], ["d"]]
    assert [
        [item["Prefix"] for item in page["CommonPrefixes"]] for page in pages if "CommonPrefixes" in page
    ] == [
        ["b/"],
        ["c/"],
    ]


def test_a_listing_refuses_what_it_cannot_read(s3, bucket):
    asked = {"Bucket": bucket, "ContinuationToken": "not base64!"}
    assert code_of(s3.list_objects_v2, **asked) == (400, "InvalidArgument")
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["IsTruncated"] is False


def test_buckets_are_made_and_listed(s3):
    s3.create_bucket(Bucket="made")
    s3.head_bucket(Bucket="made")
    assert s3.get_bucket_location(Bucket="made")["LocationConstraint"] is None
    assert {"simulated", "inputs", "made"} <= {item["Name"] for item in s3.list_buckets()["Buckets"]}


def test_what_is_not_simulated_is_refused_not_misread(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert code_of(s3.get_object_acl, Bucket=bucket, Key="k") == (501, "NotImplemented")
    assert code_of(s3.delete_object_tagging, Bucket=bucket, Key="k") == (501, "NotImplemented")
    assert code_of(s3.list_objects, Bucket=bucket) == (501, "NotImplemented")
    copy = {"Bucket": bucket, "Key": "l", "CopySource": {"Bucket": bucket, "Key": "k"}}
    assert code_of(s3.copy_object, **copy) == (501, "NotImplemented")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"


def test_a_large_object_goes_and_comes_in_parts(s3, bucket):
    payload = bytes(range(256)) * 65_536
    config = TransferConfig(
        multipart_threshold=6 << 20, multipart_chunksize=6 << 20, max_request_concurrency=3
    )
    with TransferManager(s3, config) as manager:
        manager.upload(io.BytesIO(payload), bucket, "big").result()
        received = io.BytesIO()
        manager.download(bucket, "big", received).result()
    assert received.getvalue() == payload
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"].endswith('-3"')


def test_parts_that_are_wrong_are_refused(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    at = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    etags = [s3.upload_part(**at, PartNumber=number, Body=b"small")["ETag"] for number in (1, 2)]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    complete = s3.complete_multipart_upload
    assert code_of(complete, **at, MultipartUpload={"Parts": parts[::-1]}) == (400, "InvalidPartOrder")
    assert code_of(complete, **at, MultipartUpload={"Parts": parts}) == (400, "EntityTooSmall")
    wrong = [{"PartNumber": 1, "ETag": '"x"'}]
    assert code_of(complete, **at, MultipartUpload={"Parts": wrong}) == (400, "InvalidPart")
    assert code_of(complete, **at) == (400, "MalformedXML")
    s3.abort_multipart_upload(**at)
    assert code_of(s3.abort_multipart_upload, **at) == (404, "NoSuchUpload")
    assert code_of(s3.upload_part, **at, PartNumber=1, Body=b"x") == (404, "NoSuchUpload")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_of_botocore_hold_and_wrong_ones_are_refused(s3, bucket, algorithm):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"payload", ChecksumAlgorithm=algorithm)
    announced = {f"Checksum{algorithm}": put[f"Checksum{algorithm}"]}
    s3.put_object(Bucket=bucket, Key="k", Body=b"payload", **announced)
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"other", **announced) == (400, "BadDigest")


def raw_put(served, bucket, body, **headers):
    """Send a PUT signed by botocore with headers that botocore's client sends over TLS only."""
    identity = served.server.identity
    url = f"{served.url}/{bucket}/k"
    request = AWSRequest("PUT", url, headers={"Host": served.url[7:], **headers}, data=body)
    if "X-Amz-Trailer" in headers:
        request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    credentials = Credentials(identity.access_key_id, identity.secret_access_key, identity.session_token)
    S3SigV4Auth(credentials, "s3", identity.region).add_auth(request)
    lines = [f"PUT /{bucket}/k HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
    framing = ["Transfer-Encoding: chunked"] if headers.get("X-Framing") else [f"Content-Length: {len(body)}"]
    if headers.get("X-Framing"):
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return served.exchange("\r\n".join([*lines, *framing, "Connection: close", "", ""]).encode() + body)


@pytest.mark.parametrize("framing", ["", "chunked"])
def test_a_streamed_body_with_a_trailing_checksum(served, bucket, framing):
    digest = b64encode(zlib.crc32(b"payload").to_bytes(4, "big"))
    body = b"7\r\npayload\r\n0\r\nx-amz-checksum-crc32:" + digest + b"\r\n\r\n"
    headers = {
        "Content-Encoding": "aws-chunked",
        "X-Amz-Trailer": "x-amz-checksum-crc32",
        "X-Amz-Decoded-Content-Length": "7",
        **({"X-Framing": framing} if framing else {}),
    }
    assert raw_put(served, bucket, body, **headers).startswith(b"HTTP/1.1 200 OK\r\n")
    assert served.world.objects.find(bucket, "k").body == b"payload"
    wrong = raw_put(served, bucket, body.replace(b"payload", b"paylode"), **headers)
    assert b"<Code>BadDigest</Code>" in wrong
    assert served.world.objects.find(bucket, "k").body == b"payload"


def test_a_wrong_md5_or_payload_hash_is_refused(served, bucket):
    md5 = b64encode(hashlib.md5(b"other").digest()).decode()
    assert b"<Code>BadDigest</Code>" in raw_put(served, bucket, b"payload", **{"Content-MD5": md5})
    s3 = served.client("s3")
    s3.meta.events.register("before-send.s3", lambda request, **_: setattr(request, "body", b"paylode"))
    refused = code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"payload")
    assert refused == (400, "XAmzContentSHA256Mismatch")
    assert served.world.objects.find(bucket, "k") is None


def test_slow_down_and_a_truncated_get():
    with serving(faults={"s3_slowdown_share": 1.0}) as served:
        assert code_of(served.client("s3").put_object, Bucket="simulated", Key="k", Body=b"1") == (
            503,
            "SlowDown",
        )
        assert code_of(served.client("s3").get_object, Bucket="simulated", Key="k") == (503, "SlowDown")
    with serving(faults={"s3_truncated_get_share": 1.0}) as served:
        s3 = served.client("s3")
        s3.put_object(Bucket="simulated", Key="k", Body=b"x" * 100_000)
        got = s3.get_object(Bucket="simulated", Key="k")
        with pytest.raises((ResponseStreamingError, IncompleteReadError)):
            got["Body"].read()
