"""Answers SQS's JSON 1.0 protocol and does what concerns queues; messages are in `sqs_messages`.

`X-Amz-Target: AmazonSQS.*` names the operation. FIFO queues are not simulated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from fanout.simulator.authorization import Right
from fanout.simulator.errors import ServiceError
from fanout.simulator.http.fields import Fields
from fanout.simulator.http.messages import Reply, Request
from fanout.simulator.http.refusals import query_refusal
from fanout.simulator.http.replies import JSON_1_0, json_reply, sqs_error
from fanout.simulator.http.sigv4 import SignatureRefused
from fanout.simulator.http.sqs_messages import Call, Messages
from fanout.simulator.queues import Queues

_TARGET = "AmazonSQS."
_PAGE = 1_000  # SQS API reference: queues of one ListQueues page


class Sqs:
    """The queue service.

    Args:
        queues: Its state.
        messages: What it does to messages.
        permit: Raises ServiceError if an operation is denied: tags at a queue's creation need a right of their own.
    """

    signing_name = "sqs"

    def __init__(
        self, queues: Queues, messages: Messages, *, account_id: str, permit: Callable[[str], None]
    ) -> None:
        self._queues = queues
        self._account_id = account_id
        self._permit = permit
        self._operations: dict[str, Callable[[Call], Reply | Awaitable[Reply]]] = {
            "CreateQueue": self._create,
            "GetQueueUrl": self._get_url,
            "GetQueueAttributes": self._get_attributes,
            "SetQueueAttributes": self._set_attributes,
            "DeleteQueue": self._delete,
            "PurgeQueue": self._purge,
            "ListQueues": self._list,
            "TagQueue": self._tag,
            "ListQueueTags": self._list_tags,
            **messages.operations,
        }

    def operation(self, request: Request) -> str:
        """Return the API's name of the operation."""
        name = request.headers.get("x-amz-target", "").removeprefix(_TARGET)
        if name not in self._operations:
            raise ServiceError(
                400, "AWS.SimpleQueueService.UnsupportedOperation", f"{name!r} is not simulated."
            )
        return name

    def rights(self, operation: str, request: Request) -> Iterator[Right]:
        """Return what the caller must be allowed for it."""
        fields = Fields.parse(request.body)
        if operation == "ListQueues":
            yield Right("sqs:ListQueues", "*")
            return
        name = fields.text_or_none("QueueName") or fields.text("QueueUrl").rpartition("/")[2]
        arn = self._queues.arn(name)
        yield Right(f"sqs:{operation.removesuffix('Batch')}", arn)
        if operation == "CreateQueue" and fields.mapping("tags"):
            yield Right("sqs:TagQueue", arn)

    def perform(self, operation: str, request: Request, *, now: float) -> Reply | Awaitable[Reply]:
        """Do it and return the reply; a long poll without a message yet is awaited."""
        return self._operations[operation](Call(Fields.parse(request.body), request.host, now))

    def error(self, error: ServiceError, _request: Request) -> Reply:
        """Return the error as SQS writes it."""
        return sqs_error(error)

    def refusal(self, refused: SignatureRefused) -> ServiceError:
        """Return the error for a signature that does not hold; SQS kept the codes of its query protocol."""
        return query_refusal(refused)

    def _create(self, call: Call) -> Reply:
        name = call.fields.text("QueueName")
        tags = call.fields.mapping("tags")
        if tags:
            self._permit("TagQueue")
        self._queues.create(name, call.fields.mapping("Attributes"), tags=tags, now=call.now)
        return _reply({"QueueUrl": self._url(call, name)})

    def _get_url(self, call: Call) -> Reply:
        name = call.fields.text("QueueName")
        self._queues.policy(name)  # refuses a queue that does not exist, as below
        return _reply({"QueueUrl": self._url(call, name)})

    def _get_attributes(self, call: Call) -> Reply:
        attributes = self._queues.attributes(call.queue, now=call.now)
        wanted = call.fields.texts("AttributeNames")
        if "All" not in wanted:
            attributes = {name: value for name, value in attributes.items() if name in wanted}
        return _reply({"Attributes": attributes} if attributes else {})

    def _set_attributes(self, call: Call) -> Reply:
        self._queues.set_attributes(call.queue, call.fields.mapping("Attributes"))
        return _reply({})

    def _delete(self, call: Call) -> Reply:
        self._queues.delete(call.queue)
        return _reply({})

    def _purge(self, call: Call) -> Reply:
        self._queues.purge(call.queue)
        return _reply({})

    def _list(self, call: Call) -> Reply:
        prefix = call.fields.text_or_none("QueueNamePrefix") or ""
        start = call.fields.text_or_none("NextToken") or ""
        limit = call.fields.integer("MaxResults")
        names = sorted(name for name in self._queues.names if name.startswith(prefix) and name > start)
        page = names[: limit or _PAGE]
        reply: dict[str, object] = {"QueueUrls": [self._url(call, name) for name in page]} if page else {}
        if limit is not None and len(names) > limit:  # without MaxResults there is no NextToken either
            reply["NextToken"] = page[-1]
        return _reply(reply)

    def _tag(self, call: Call) -> Reply:
        self._queues.tag(call.queue, call.fields.mapping("Tags"))
        return _reply({})

    def _list_tags(self, call: Call) -> Reply:
        return _reply({"Tags": self._queues.tags(call.queue)})

    def _url(self, call: Call, name: str) -> str:
        return f"http://{call.host}/{self._account_id}/{name}"


def _reply(value: dict[str, object]) -> Reply:
    return json_reply(200, value, content_type=JSON_1_0)
