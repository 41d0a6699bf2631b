"""Makes one attempt of InvokeEndpointAsync and checks the reply.

`domain.routing` has checked the invocation; the reply is checked as `fanout.aws.sdk.invoker` does.
"""

from __future__ import annotations

from hashlib import sha256

from fanout.aws.http.channel import HttpChannel
from fanout.aws.http.channels import HttpChannels
from fanout.aws.http.reply_errors import header, json_object, request_id
from fanout.aws.http.sigv4 import Template
from fanout.aws.sdk.invoker import to_reply
from fanout.domain.records import Invocation, Options, Reply
from fanout.ports import Invoker

REPLY_CAP_BYTES = 1024 * 1024  # a reply has one short id; an HTML page of a proxy some KiB
_KINDS = 256  # of requests to keep templates for; endpoints and options vary little within a run
_PREFIX = "x-amzn-sagemaker-"
_ALWAYS = (f"{_PREFIX}filename", f"{_PREFIX}inference-id", f"{_PREFIX}s3outputpathextension")


class HttpInvoker:
    """`ports.Invoker` on a `HttpChannel` an endpoint.

    Args:
        channels: To sagemaker-runtime.
        otherwise: Takes the calls to an endpoint that no channel leads to.
        timeout_s: Bound of one call as a whole.
    """

    def __init__(self, channels: HttpChannels, *, otherwise: Invoker, timeout_s: float) -> None:
        self._channels = channels
        self._otherwise = otherwise
        self._timeout_s = timeout_s
        self._templates: dict[tuple[object, ...], Template] = {}

    async def invoke(self, invocation: Invocation) -> Reply:
        """Return the checked 202; see `ports.Invoker`."""
        endpoint = invocation.endpoint
        channel = self._channels.known(endpoint) or await self._channels.find(
            endpoint, "invoke_endpoint_async", EndpointName=endpoint, InferenceId="x"
        )
        if channel is None:
            return await self._otherwise.invoke(invocation)
        body = invocation.body or b""
        answer = await channel.send(
            self._template(channel, invocation),
            _values(invocation),
            payload=sha256(body).hexdigest(),
            body=body,
            timeout_s=self._timeout_s,
            cap_bytes=REPLY_CAP_BYTES,
            may_leave=invocation.may_leave,
        )
        told = {
            "InferenceId": json_object(answer).get("InferenceId"),
            "OutputLocation": header(answer, f"{_PREFIX}outputlocation".encode()),
            "FailureLocation": header(answer, f"{_PREFIX}failurelocation".encode()),
            "ResponseMetadata": {"RequestId": request_id(answer), "HTTPStatusCode": answer.status},
        }
        return to_reply(told, sent=invocation.inference_id)

    def _template(self, channel: HttpChannel, invocation: Invocation) -> Template:
        options = invocation.options
        kind = (
            *(channel, options.content_type, options.accept, options.ttl_s, options.invocation_timeout_s),
            *(options.custom_attributes is None, invocation.input_location is None),
        )
        template = self._templates.get(kind)
        if template is None:
            if len(self._templates) >= _KINDS:
                self._templates.clear()
            template = self._templates[kind] = to_template(channel, invocation)
        return template


def to_template(channel: HttpChannel, invocation: Invocation) -> Template:
    """Return the kind of request that `invocation` is."""
    varying = list(_ALWAYS)
    if invocation.options.custom_attributes is not None:  # may differ from row to row
        varying.append(f"{_PREFIX}custom-attributes")
    if invocation.input_location is not None:
        varying.append(f"{_PREFIX}inputlocation")
    return Template(
        "POST",
        host=channel.route.host,
        path=channel.route.path,
        headers=_constant(invocation.options),
        varying=varying,
        unsigned={"user-agent": channel.route.user_agent},
    )


def _constant(options: Options) -> dict[str, str]:
    told = {
        "content-type": options.content_type,
        "accept": options.accept,
        "requestttlseconds": options.ttl_s,
        "invocationtimeoutseconds": options.invocation_timeout_s,
    }
    return {f"{_PREFIX}{name}": str(value) for name, value in told.items() if value is not None}


def _values(invocation: Invocation) -> tuple[str, ...]:
    """Return what varies, in the order of the headers' names."""
    attributes, location = invocation.options.custom_attributes, invocation.input_location
    first = () if attributes is None else (attributes,)
    middle = () if location is None else (location,)
    return (*first, invocation.filename, invocation.inference_id, *middle, invocation.output_extension)
