"""Answers S3's REST protocol and does what concerns buckets; objects, parts and listings have files of their own.

Metadata, ACLs, versions and copies are not simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fanout.simulator.authorization import Right
from fanout.simulator.errors import ServiceError
from fanout.simulator.http.messages import Reply, Request
from fanout.simulator.http.refusals import s3_refusal
from fanout.simulator.http.replies import s3_error, text, xml_reply
from fanout.simulator.http.s3_headers import check_payer
from fanout.simulator.http.s3_listing import list_objects
from fanout.simulator.http.s3_multipart import Multipart
from fanout.simulator.http.s3_objects import ObjectCalls
from fanout.simulator.http.s3_rights import listing, rights_of
from fanout.simulator.http.s3_target import Target, target_of
from fanout.simulator.http.sigv4 import SignatureRefused
from fanout.simulator.timestamps import iso_ms
from fanout.simulator.world import World

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_SLOWED = frozenset({"PutObject", "GetObject", "DeleteObject", "DeleteObjects", "UploadPart"})

Operation = Callable[[Target, Request, float], Reply]


class S3:
    """The object store of one world."""

    signing_name = "s3"

    def __init__(self, world: World) -> None:
        self._world = world
        self._objects = world.objects
        self._account_id = world.settings.account_id
        self._region = world.settings.region
        self._requester_pays = world.settings.requester_pays
        disabled_keys = world.settings.faults.disabled_kms_keys
        self._operations: dict[str, Operation] = {
            "ListBuckets": self._list_buckets,
            "CreateBucket": self._create_bucket,
            "HeadBucket": self._head_bucket,
            "GetBucketLocation": self._location,
            "ListObjectsV2": self._list_objects,
            **ObjectCalls(
                world.objects,
                truncates=world.faults.truncates_get,
                disabled_keys=disabled_keys,
                allows=self._allows,
            ).operations,
            **Multipart(world.objects, disabled_keys=disabled_keys).operations,
        }

    def operation(self, request: Request) -> str:
        """Return the API's name of the operation."""
        return target_of(request).operation

    def rights(self, _operation: str, request: Request) -> Iterator[Right]:
        """Return what the caller must be allowed for it."""
        return rights_of(target_of(request), request, objects=self._objects, settings=self._world.settings)

    def perform(self, operation: str, request: Request, *, now: float) -> Reply:
        """Do it and return the reply."""
        if request.headers.get("x-amz-expected-bucket-owner", self._account_id) != self._account_id:
            raise ServiceError(403, "AccessDenied", "Access Denied")
        if operation in _SLOWED:
            self._world.faults.slow_down()
        target = target_of(request)
        check_payer(request, target.bucket, requester_pays=self._requester_pays)
        try:
            reply = self._operations[operation](target, request, now)
        except ServiceError as error:
            if error.code == "NoSuchKey" and not self._allows(listing(target.bucket)):
                raise ServiceError(403, "AccessDenied", "Access Denied") from error
            raise
        if target.bucket in self._requester_pays:
            reply.headers = [*reply.headers, ("x-amz-request-charged", "requester")]
        return reply

    def error(self, error: ServiceError, request: Request) -> Reply:
        """Return the error as S3 writes it, with what its SDKs look for in a redirect."""
        extra = f"<Region>{self._region}</Region>" if error.code == "AuthorizationHeaderMalformed" else ""
        reply = s3_error(error, resource=request.path, extra=extra)
        reply.headers = [*reply.headers, ("x-amz-bucket-region", self._region)]
        return reply

    def refusal(self, refused: SignatureRefused) -> ServiceError:
        """Return the error for a signature that does not hold."""
        return s3_refusal(refused)

    def _allows(self, right: Right) -> bool:
        authorization = self._world.authorization
        return authorization is None or authorization.allows(right)

    def _list_buckets(self, target: Target, _request: Request, _now: float) -> Reply:
        prefix = target.parameters.get("prefix", "")
        created = iso_ms(self._world.started_at)
        members = "".join(
            f"<Bucket><Name>{text(name)}</Name><CreationDate>{created}</CreationDate></Bucket>"
            for name in sorted(self._objects.buckets)
            if name.startswith(prefix)
        )
        owner = f"<Owner><ID>{self._account_id}</ID></Owner>"
        return xml_reply(
            200,
            f'<ListAllMyBucketsResult xmlns="{NAMESPACE}">{owner}<Buckets>{members}</Buckets></ListAllMyBucketsResult>',
        )

    def _create_bucket(self, target: Target, _request: Request, _now: float) -> Reply:
        self._objects.create_bucket(target.bucket)
        return xml_reply(200, "", headers=(("Location", f"/{target.bucket}"),))

    def _head_bucket(self, target: Target, _request: Request, _now: float) -> Reply:
        self._require(target.bucket)
        return xml_reply(200, "", headers=(("x-amz-bucket-region", self._region),))

    def _location(self, target: Target, _request: Request, _now: float) -> Reply:
        self._require(target.bucket)
        # us-east-1 is the region without a name here (S3 API reference: GetBucketLocation).
        region = "" if self._region == "us-east-1" else self._region
        return xml_reply(200, f'<LocationConstraint xmlns="{NAMESPACE}">{region}</LocationConstraint>')

    def _list_objects(self, target: Target, _request: Request, _now: float) -> Reply:
        return list_objects(self._objects, target)

    def _require(self, bucket: str) -> None:
        if bucket not in self._objects.buckets:
            raise ServiceError(404, "NoSuchBucket", "The specified bucket does not exist")
