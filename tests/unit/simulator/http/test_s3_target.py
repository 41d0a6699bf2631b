"""Which bucket, key and operation an S3 request names, by path and by host; what is not simulated is refused."""

from __future__ import annotations

import pytest

from fanout.simulator.errors import ServiceError
from fanout.simulator.http.messages import Request
from fanout.simulator.http.s3_target import target_of


def request(method, path, query="", *, host="127.0.0.1:8080", **headers):
    return Request(method, path, query, {"host": host, **headers}, b"", {})


@pytest.mark.parametrize(
    ("method", "path", "query", "operation", "bucket", "key"),
    [
        ("GET", "/", "", "ListBuckets", "", ""),
        ("GET", "/", "max-buckets=2&prefix=a", "ListBuckets", "", ""),
        ("PUT", "/b", "", "CreateBucket", "b", ""),
        ("HEAD", "/b/", "", "HeadBucket", "b", ""),
        ("GET", "/b", "location", "GetBucketLocation", "b", ""),
        ("GET", "/b", "list-type=2&prefix=x%2F&max-keys=5", "ListObjectsV2", "b", ""),
        ("POST", "/b", "delete", "DeleteObjects", "b", ""),
        ("GET", "/b/a/k", "", "GetObject", "b", "a/k"),
        ("GET", "/b/a/k", "x-id=GetObject", "GetObject", "b", "a/k"),
        ("PUT", "/b/a%20b%2Bc+d", "", "PutObject", "b", "a b+c+d"),
        ("HEAD", "/b//k", "", "HeadObject", "b", "/k"),
        ("DELETE", "/b/k", "", "DeleteObject", "b", "k"),
        ("POST", "/b/k", "uploads", "CreateMultipartUpload", "b", "k"),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", "UploadPart", "b", "k"),
        ("POST", "/b/k", "uploadId=u", "CompleteMultipartUpload", "b", "k"),
        ("DELETE", "/b/k", "uploadId=u", "AbortMultipartUpload", "b", "k"),
    ],
)
def test_an_operation_is_recognised(method, path, query, operation, bucket, key):
    found = target_of(request(method, path, query))
    assert (found.operation, found.bucket, found.key) == (operation, bucket, key)


@pytest.mark.parametrize(
    "host",
    ["b.s3.amazonaws.com", "b.s3.eu-west-1.amazonaws.com", "b.s3-accelerate.amazonaws.com", "b.localhost:80"],
)
def test_the_bucket_may_stand_in_the_host(host):
    found = target_of(request("GET", "/a/k", host=host))
    assert (found.operation, found.bucket, found.key) == ("GetObject", "b", "a/k")
    assert target_of(request("PUT", "/", host=host)).operation == "CreateBucket"


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/b", ""),  # ListObjects, version 1
        ("GET", "/b", "versioning"),
        ("GET", "/b/k", "acl"),
        ("GET", "/b/k", "versionId=1"),
        ("DELETE", "/b", ""),
        ("POST", "/b/k", ""),
        ("PUT", "/b/k", "partNumber=1"),
        ("GET", "/b/k", "prefix=x"),  # a refinement of another operation
        ("GET", "/b", "list-type=2&uploads"),
    ],
)
def test_what_is_not_simulated_is_never_taken_for_something_else(method, path, query):
    with pytest.raises(ServiceError) as caught:
        target_of(request(method, path, query))
    assert (caught.value.status, caught.value.code) == (501, "NotImplemented")


def test_copies_and_paths_that_are_no_text_are_refused():
    with pytest.raises(ServiceError) as caught:
        target_of(request("PUT", "/b/k", **{"x-amz-copy-source": "/b/other"}))
    assert caught.value.code == "NotImplemented"
    with pytest.raises(ServiceError) as caught:
        target_of(request("GET", "/b/%ff"))
    assert (caught.value.status, caught.value.code) == (400, "InvalidURI")
