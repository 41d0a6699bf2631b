"""A reply of S3 in XML, as servers spell it: white space before it, a namespace, an error inside a 200."""

from __future__ import annotations

import pytest

from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.s3_call import document
from fanout.errors import CallError, Phase

DECLARATIONS = pytest.mark.parametrize("declared", ["", '<?xml version="1.0" encoding="UTF-8"?>\n\n  '])
ALIVE = pytest.mark.parametrize("alive", ["", "\n", " \r\n   "], ids=["at once", "a line", "spaces"])


def read(text):
    return document(Answer(200, {}, text.encode()), "CompleteMultipartUploadResult")


@ALIVE
@DECLARATIONS
@pytest.mark.parametrize("namespace", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
def test_white_space_before_a_reply_and_its_namespace_change_nothing(alive, declared, namespace):
    root = read(
        f"{alive}{declared}<CompleteMultipartUploadResult{namespace}><ETag>&quot;e-2&quot;</ETag>"
        "</CompleteMultipartUploadResult>"
    )
    assert root.findtext("ETag") == '"e-2"'


@ALIVE
@DECLARATIONS
def test_an_error_inside_a_200_is_one(alive, declared):
    with pytest.raises(CallError) as caught:
        read(f"{alive}{declared}<Error><Code>InternalError</Code><Message>m</Message></Error>")
    error = caught.value
    assert (error.phase, error.code, error.message) == (Phase.REPLY, "InternalError", "m")


@pytest.mark.parametrize("text", ["", "   ", "<CompleteMultipartUploadResult>", "<Other/>"])
def test_what_is_no_such_document_is_unreadable(text):
    with pytest.raises(CallError) as caught:
        read(text)
    assert (caught.value.phase, caught.value.code) == (Phase.EXCHANGE, "UnreadableReply")
