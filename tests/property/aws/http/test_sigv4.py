"""Our signatures against botocore's own, on thousands of generated requests, and against AWS's printed examples."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from fanout.aws.http.sigv4 import EMPTY_SHA256, Keys, Signer, Template, canonical_path
from fanout.errors import CallError, Phase

KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "token/+=")
BARE = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


@dataclass(frozen=True)
class Case:
    """One request; `varying` names the headers whose values are slots of the template."""

    method: str
    host: str
    path: str
    query: str
    headers: dict[str, str]
    varying: frozenset[str]
    body: bytes
    keys: Keys
    region: str
    service: str
    now: float

    @property
    def is_s3(self) -> bool:
        return self.service == "s3"


def by_botocore(case: Case) -> dict[str, str]:
    """Return the headers that botocore would send."""
    url = f"https://{case.host}{case.path}{'?' + case.query if case.query else ''}"
    # `http` has botocore sign the payload; the scheme enters the signature nowhere else.
    request = AWSRequest(case.method, url.replace("https:", "http:"), headers=case.headers, data=case.body)
    credentials = Credentials(case.keys.access_key_id, case.keys.secret_access_key, case.keys.session_token)
    auth = (S3SigV4Auth if case.is_s3 else SigV4Auth)(credentials, case.service, case.region)
    instant = datetime.fromtimestamp(int(case.now), UTC).replace(tzinfo=None)
    with patch("botocore.auth.get_current_datetime", lambda: instant):
        auth.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def by_us(case: Case, signer: Signer | None = None) -> dict[str, str]:
    """Return the headers that we would send, parsed back from the head."""
    payload = sha256(case.body).hexdigest()
    hashed = {"x-amz-content-sha256": payload} if case.is_s3 else {}
    headers = case.headers | hashed
    varying = case.varying | hashed.keys()
    template = Template(
        case.method,
        host=case.host,
        path=None if case.is_s3 else case.path,
        headers={name: value for name, value in headers.items() if name not in varying},
        varying=tuple(varying),
        is_s3=case.is_s3,
        has_query=bool(case.query),
    )
    values = {"path": case.path, "query": case.query} | headers
    head = (signer or Signer(case.keys, region=case.region, service=case.service)).head(
        template,
        [values[slot] for slot in template.slots],
        payload=payload,
        length=len(case.body),
        now=case.now,
    )
    first, *lines, empty, nothing = head.decode().split("\r\n")
    assert (empty, nothing) == ("", "")
    assert first == f"{case.method} {case.path}{'?' + case.query if case.query else ''} HTTP/1.1"
    sent = dict(line.split(": ", 1) for line in lines)
    assert (sent.pop("host"), sent.pop("content-length")) == (case.host, str(len(case.body)))
    return sent


NAMES = [
    *("content-type", "range", "x-amz-target", "x-amz-checksum-crc32", "x-amz-server-side-encryption"),
    *("x-amz-expected-bucket-owner", "x-amzn-sagemaker-inference-id", "x-amzn-sagemaker-filename"),
    *("x-amzn-sagemaker-s3outputpathextension", "x-amzn-sagemaker-custom-attributes", "x-zz"),
]
ODD = "aZ09-_.~ /%+=&?#:;,@!$'()*[]{}|\\^`\"<>\t\u00e4\u20ac\U0001f600%s%%%d"
texts = st.text(
    st.sampled_from(ODD) | st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    service = draw(st.sampled_from(["s3", "sagemaker", "sqs"]))
    headers = draw(st.dictionaries(st.sampled_from(NAMES), texts, max_size=6))
    pairs = draw(st.dictionaries(texts.filter(bool), texts, max_size=3)) if service == "s3" else {}
    encoded = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs.items())
    return Case(
        method=draw(st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"])),
        host=draw(st.sampled_from(["bucket.s3.eu-west-1.amazonaws.com", "127.0.0.1:4566", "[::1]:8080"])),
        path="/" + quote(draw(texts), safe="/~"),
        query="&".join(f"{name}={value}" for name, value in encoded),
        headers=headers,
        varying=frozenset(draw(st.sets(st.sampled_from(sorted(headers)))) if headers else ()),
        body=draw(st.binary(max_size=200)),
        keys=draw(st.sampled_from([KEYS, BARE])),
        region=draw(st.sampled_from(["us-east-1", "cn-north-1"])),
        service=service,
        now=draw(st.floats(0, 4e9)),
    )


@settings(max_examples=examples(200), deadline=None)
@given(cases())
def test_a_request_is_signed_as_botocore_signs_it(case):
    assert by_us(case) == by_botocore(case)


def test_thousands_of_requests_are_signed_as_botocore_signs_them():
    """A few signers for everything, as in a run: what they keep from one request must not enter the next."""
    draw = random.Random(20261120)
    signers = {
        (service, keys): Signer(keys, region="us-east-1", service=service)
        for service in ("s3", "sagemaker", "sqs")
        for keys in (KEYS, BARE)
    }
    now = 1_795_168_000.0
    for index in range(3000):
        (service, keys), signer = draw.choice(list(signers.items()))
        names = draw.sample(NAMES, draw.randrange(6))
        now += draw.choice([0.0, 0.1, 1.0, -3.0, 50_000.0])
        odd = lambda: "".join(draw.choices(ODD, k=draw.randrange(30)))  # noqa: E731
        query = f"partNumber={index}&uploadId={quote(odd(), safe='')}" if index % 5 == 0 else ""
        case = Case(
            method=draw.choice(["GET", "PUT", "POST"]),
            host="runtime.sagemaker.us-east-1.amazonaws.com",
            path="/" + quote(odd(), safe="/~"),
            query=query if service == "s3" else "",
            headers={name: odd() for name in names},
            varying=frozenset(name for name in names if draw.random() < 0.5),
            body=draw.randbytes(draw.choice([0, 1, 1000])),
            keys=keys,
            region="us-east-1",
            service=service,
            now=now,
        )
        assert by_us(case, signer) == by_botocore(case)


@pytest.mark.parametrize("path", ["/", "/a/../b", "//a//b/", "/a/.", "/..", "/a%20b/%2F~", "/a/b/..", "/."])
def test_paths_are_cleaned_as_botocore_cleans_them(path):
    auth = SigV4Auth(Credentials("a", "b"), "sqs", "us-east-1")
    assert canonical_path(path) == auth._normalize_url_path(path)


def test_the_example_of_the_iam_user_guide():
    template = Template(
        "GET",
        host="iam.amazonaws.com",
        path="/",
        headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
        has_query=True,
        has_body=False,
    )
    head = Signer(BARE, region="us-east-1", service="iam").head(
        template, ["Action=ListUsers&Version=2010-05-08"], payload=EMPTY_SHA256, length=0, now=1_440_938_160.9
    )
    assert head.decode().split("\r\n") == [
        "GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1",
        "host: iam.amazonaws.com",
        "content-type: application/x-www-form-urlencoded; charset=utf-8",
        "x-amz-date: 20150830T123600Z",
        (
            "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        ),
        "",
        "",
    ]


def test_the_example_of_the_s3_reference():
    keys = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    template = Template(
        "GET",
        host="examplebucket.s3.amazonaws.com",
        path=None,
        headers={"range": "bytes=0-9", "x-amz-content-sha256": EMPTY_SHA256},
        is_s3=True,
        has_body=False,
    )
    head = Signer(keys, region="us-east-1", service="s3").head(
        template, ["/test.txt"], payload=EMPTY_SHA256, length=0, now=1_369_353_600.0
    )
    signature = b"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert head.rstrip().endswith(b"Signature=" + signature)


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\n", "\r\n", "\ra", "\ud800"])
def test_what_would_break_the_head_is_refused(value):
    template = Template("POST", host="h", path="/", varying=["x-amzn-sagemaker-inference-id"])
    with pytest.raises(CallError) as caught:
        Signer(BARE, region="r", service="s").head(template, [value], payload="", length=0, now=0.0)
    assert (caught.value.phase, caught.value.code) == (Phase.REPLY, "ParamValidation")


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "\n", "\ud800"])
@pytest.mark.parametrize("place", ["headers", "unsigned"])
def test_a_constant_that_would_break_the_head_is_refused(place, value):
    with pytest.raises(CallError) as caught:
        Template("POST", host="h", path="/", **{place: {"x-amzn-sagemaker-accept": value}})
    assert caught.value.code == "ParamValidation"


def test_unsigned_headers_travel_and_stay_out_of_the_signature():
    def head(unsigned):
        template = Template("POST", host="h", path="/", unsigned=unsigned)
        return Signer(BARE, region="r", service="s").head(template, [], payload="", length=0, now=0.0)

    plain, named = head({}), head({"user-agent": "fanout 100%"})
    assert b"user-agent: fanout 100%\r\n" in named
    assert named.replace(b"user-agent: fanout 100%\r\n", b"") == plain


def test_secrets_stay_out_of_reprs():
    assert repr(KEYS) == "Keys(access_key_id='AKIDEXAMPLE')"
