"""An upload that is begun to see whether it may be is aborted, whatever happens, or named."""

from __future__ import annotations

import anyio
import pytest
from support.virtual import VirtualClock, run_virtual

from fanout.errors import CallError, Phase
from fanout.runtime.upload_proof import prove_upload

URI = "s3://b/k"


class Upload:
    id = "u"

    def __init__(self, *errors):
        self.errors = list(errors)
        self.aborts = 0
        self.aborting = anyio.Event()
        self.go_on = None

    async def abort(self):
        self.aborting.set()
        if self.go_on is not None:
            await self.go_on.wait()
        self.aborts += 1
        if self.errors:
            raise self.errors.pop(0)


def prove(upload, begin=None):
    said = []

    async def begun():
        return upload

    async def main():
        await prove_upload(begin or begun, uri=URI, clock=VirtualClock(), warn=said.append)

    run_virtual(main)
    return said


def test_it_is_aborted_and_nothing_is_said():
    upload = Upload()
    assert prove(upload) == []
    assert upload.aborts == 1


def test_an_abort_that_fails_once_is_made_again():
    upload = Upload(CallError(Phase.REPLY, "InternalError", status=500))
    assert prove(upload) == []
    assert upload.aborts == 2


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId"])
def test_one_that_stays_is_named_with_the_right(code):
    [text] = prove(Upload(CallError(Phase.REPLY, code, status=403)))
    assert f"an upload to {URI} that was begun to see whether it may be stays" in text
    assert "s3:AbortMultipartUpload" in text


def test_a_refusal_to_begin_is_the_callers():
    refused = CallError(Phase.REPLY, "AccessDenied", status=403)

    async def begin():
        raise refused

    with pytest.raises(CallError) as caught:
        prove(Upload(), begin)
    assert caught.value is refused


def test_it_is_aborted_also_if_its_caller_is_cancelled_meanwhile():
    async def main():
        upload = Upload()
        upload.go_on = anyio.Event()

        async def begin():
            return upload

        async with anyio.create_task_group() as tasks:

            async def proving():
                await prove_upload(begin, uri=URI, clock=VirtualClock(), warn=pytest.fail)

            tasks.start_soon(proving)
            await upload.aborting.wait()
            tasks.cancel_scope.cancel()
            upload.go_on.set()
        return upload.aborts

    assert run_virtual(main) == 1
