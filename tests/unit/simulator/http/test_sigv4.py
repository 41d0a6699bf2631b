"""Signatures are verified as botocore makes them, and no single change to a signed request goes unnoticed."""

from __future__ import annotations

import hashlib
import time
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from fanout.simulator.http.head import parse_head
from fanout.simulator.http.messages import Request
from fanout.simulator.http.sigv4 import (
    Identity,
    Refusal,
    SignatureRefused,
    canonical_path,
    canonical_query,
    verify,
)

KEY, SECRET, REGION, HOST = "ASIATEST", "secret/+=", "eu-central-1", "127.0.0.1:4566"

any_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
requests = st.fixed_dictionaries(
    {
        "service": st.sampled_from(["s3", "sagemaker", "sqs", "sns", "sts"]),
        "method": st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
        "path": st.lists(any_text, max_size=4).map(
            lambda parts: "/" + "/".join(quote(p.replace("/", ""), safe="~") for p in parts)
        ),
        "query": st.lists(
            st.tuples(any_text, st.text(st.characters(exclude_categories=["Cs"]), max_size=8)), max_size=3
        ),
        "headers": st.dictionaries(
            st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,10}", fullmatch=True).map(lambda name: f"X-Amzn-{name}"),
            header_values,
            max_size=3,
        ),
        "body": st.binary(max_size=50),
        "token": st.none() | st.from_regex(r"[A-Za-z0-9/+=]{1,40}", fullmatch=True),
    }
)


def identity(token: str | None) -> Identity:
    return Identity(KEY, SECRET, token, REGION)


def signed(
    *,
    service: str,
    method: str = "POST",
    path: str = "/",
    query: list[tuple[str, str]] = (),
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    token: str | None = None,
) -> Request:
    """Return the request as it would be read from the wire, signed by botocore."""
    line = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    url = f"http://{HOST}{path}" + (f"?{line}" if line else "")
    request = AWSRequest(method, url, headers={"Host": HOST, **(headers or {})}, data=body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(KEY, SECRET, token), service, REGION).add_auth(request)
    target = path + (f"?{line}" if line else "")
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
    parsed, _ = parse_head("\r\n".join(lines).encode("latin-1"))
    parsed.body = body
    return parsed


@given(requests)
def test_what_botocore_signs_is_verified(parts):
    verify(signed(**parts), identity(parts["token"]), service=parts["service"], now=time.time())


def change_header(name, change):
    def mutate(request: Request) -> None:
        request.headers[name] = change(request.headers[name])

    return mutate


def change_path(request: Request) -> None:
    request.path += "x"


def change_query(request: Request) -> None:
    request.query = f"{request.query}&x=1" if request.query else "x=1"


def change_body(request: Request) -> None:
    request.body += b"x"


def change_method(request: Request) -> None:
    request.method = "PATCH"


def flip_last_digit(value: str) -> str:
    return value[:-1] + ("0" if value[-1] != "0" else "1")


MUTATIONS = {
    "path": change_path,
    "query": change_query,
    "body": change_body,
    "method": change_method,
    "host": change_header("host", lambda value: f"x{value}"),
    "a signed header": change_header("x-amzn-mark", lambda value: f"{value}x"),
    "time": change_header("x-amz-date", lambda value: value[:-2] + ("0Z" if value[-2] != "0" else "1Z")),
    "date of scope": change_header("authorization", lambda value: value.replace(f"{KEY}/2", f"{KEY}/1")),
    "region of scope": change_header("authorization", lambda value: value.replace(REGION, "us-east-1")),
    "signature": change_header("authorization", flip_last_digit),
    "signed headers": change_header("authorization", lambda value: value.replace("host;", "")),
    "key": change_header("authorization", lambda value: value.replace(KEY, "AKIASTRANGER")),
    "no authorization": lambda request: request.headers.pop("authorization"),
    "a signed header missing": lambda request: request.headers.pop("x-amzn-mark"),
    "an unsigned x-amz header": lambda request: request.headers.update(
        {"x-amz-target": "AmazonSQS.PurgeQueue"}
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
@settings(max_examples=examples(25))
@given(parts=requests)
def test_no_single_change_goes_unnoticed(mutation, parts):
    request = signed(**parts | {"headers": {**parts["headers"], "X-Amzn-Mark": "mark"}})
    MUTATIONS[mutation](request)
    with pytest.raises(SignatureRefused):
        verify(request, identity(parts["token"]), service=parts["service"], now=time.time())


def refusal(request: Request, *, token=None, service="sagemaker", now=None) -> Refusal:
    with pytest.raises(SignatureRefused) as caught:
        verify(request, identity(token), service=service, now=time.time() if now is None else now)
    return caught.value.refusal


def test_each_reason_has_its_name():
    assert refusal(Request("GET", "/", "", {})) is Refusal.MISSING
    assert refusal(Request("GET", "/", "", {"authorization": "Basic Zm9v"})) is Refusal.INCOMPLETE
    assert (
        refusal(Request("GET", "/", "", {"authorization": "AWS4-HMAC-SHA256 Signature="}))
        is Refusal.INCOMPLETE
    )
    assert refusal(signed(service="sagemaker"), service="s3") is Refusal.SCOPE
    assert refusal(signed(service="sagemaker", token="stale"), token="fresh") is Refusal.BAD_TOKEN
    assert refusal(signed(service="sagemaker"), token="fresh") is Refusal.BAD_TOKEN
    yesterday = signed(service="sagemaker")
    MUTATIONS["date of scope"](yesterday)
    assert refusal(yesterday) is Refusal.SCOPE
    strange = signed(service="sagemaker")
    strange.headers["authorization"] = strange.headers["authorization"].replace(KEY, "AKIASTRANGER")
    assert refusal(strange) is Refusal.UNKNOWN_KEY


def test_a_session_token_ends_and_no_other_is_taken_for_it():
    caller = Identity(KEY, SECRET, "token", REGION, session_s=60.0)
    issued = caller.issue(1_000.0)
    caller.check_token(issued, now=1_060.0)
    for token, now, why in (
        (issued, 1_060.1, Refusal.EXPIRED),
        ("token", 0.1, Refusal.EXPIRED),
        ("token.soon", 0.1, Refusal.EXPIRED),
        (f"other{issued}", 1_000.0, Refusal.BAD_TOKEN),
        (None, 1_000.0, Refusal.BAD_TOKEN),
    ):
        with pytest.raises(SignatureRefused) as caught:
            caller.check_token(token, now=now)
        assert caught.value.refusal is why
    assert Identity(KEY, SECRET, "token", REGION).issue(1_000.0) == "token"


@pytest.mark.parametrize(("service", "within_s"), [("sqs", 295.0), ("s3", 895.0)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_clock_may_be_almost_five_minutes_off_and_s3_takes_fifteen(service, within_s, sign):
    verify(signed(service=service), identity(None), service=service, now=time.time() + sign * within_s)
    assert refusal(signed(service=service), service=service, now=time.time() + sign * (within_s + 10)) is (
        Refusal.SKEWED
    )


def test_s3_takes_an_unsigned_payload_and_no_other_service_does():
    body = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    other = signed(service="sqs", headers=body, body=b"payload")
    assert refusal(other, service="sqs") is Refusal.PAYLOAD
    request = AWSRequest("PUT", f"http://{HOST}/b/k", headers={"Host": HOST, **body}, data=b"payload")
    request.context["payload_signing_enabled"] = False
    SigV4Auth(Credentials(KEY, SECRET), "s3", REGION).add_auth(request)
    parsed = Request(
        "PUT", "/b/k", "", {name.lower(): value for name, value in request.headers.items()}, b"anything"
    )
    # S3 does not clean paths; this one is the same in both forms, so the plain signer serves.
    verify(parsed, identity(None), service="s3", now=time.time())


def test_s3_insists_on_a_payload_hash_that_matches():
    request = signed(service="s3", path="/b/k", body=b"payload")
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(b"payload").hexdigest()
    request.body = b"other"
    assert refusal(request, service="s3") is Refusal.PAYLOAD
    del request.headers["x-amz-content-sha256"]
    assert refusal(request, service="s3") is Refusal.MISMATCH  # it was signed, and is not there
    request.headers["x-amz-content-sha256"] = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    assert refusal(request, service="s3") is Refusal.UNSUPPORTED


@pytest.mark.parametrize(
    ("path", "s3", "other"),
    [
        ("/a b", "/a%20b", "/a%20b"),
        ("/a%20b", "/a%20b", "/a%2520b"),
        ("/a!b(c)", "/a%21b%28c%29", "/a%21b%28c%29"),
        ("/a//b/../c/.", "/a//b/../c/.", "/a/c"),
        ("/~x/", "/~x/", "/~x/"),
        ("/%c3%bc", "/%C3%BC", "/%25c3%25bc"),
    ],
)
def test_paths_are_encoded_once_for_s3_and_twice_for_others(path, s3, other):
    assert canonical_path(path, is_s3=True) == s3
    assert canonical_path(path, is_s3=False) == other


def test_queries_are_encoded_strictly_and_sorted():
    assert canonical_query("b=2&a=%7e!&uploads&a=1") == "a=1&a=~%21&b=2&uploads="
    assert canonical_query("") == ""
