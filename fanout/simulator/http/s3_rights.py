"""Names the rights that each call to S3 needs, those to use a KMS key among them; pure."""

from __future__ import annotations

from collections.abc import Iterator

from fanout.simulator.authorization import Right
from fanout.simulator.bucket import KMS_KEY
from fanout.simulator.http.messages import Request
from fanout.simulator.http.s3_target import Target
from fanout.simulator.objects import Objects
from fanout.simulator.settings import SimulatorSettings

_OF_BUCKETS = {
    "ListBuckets": "s3:ListAllMyBuckets",
    "CreateBucket": "s3:CreateBucket",
    "HeadBucket": "s3:ListBucket",
    "GetBucketLocation": "s3:GetBucketLocation",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
}
_OF_OBJECTS = {
    "HeadObject": "s3:GetObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
}
"""Those whose right has another name (S3 user guide, "Required permissions for Amazon S3 API operations")."""


def rights_of(
    target: Target, request: Request, *, objects: Objects, settings: SimulatorSettings
) -> Iterator[Right]:
    """Yield what a call needs before it is looked at; each key of a DeleteObjects is looked at by itself."""
    operation = target.operation
    bucket = bucket_arn(target.bucket)
    if operation in _OF_BUCKETS:
        yield Right(_OF_BUCKETS[operation], bucket if target.bucket else "*")
    elif operation == "ListObjectsV2":
        prefix = target.parameters.get("prefix")
        yield Right("s3:ListBucket", bucket, {} if prefix is None else {"s3:prefix": (prefix,)})
    elif operation != "DeleteObjects":
        yield Right(_OF_OBJECTS.get(operation, f"s3:{operation}"), object_arn(target.bucket, target.key))
        yield from _besides(target, request)
        yield from _of_keys(target, request, objects=objects, settings=settings)


def bucket_arn(bucket: str) -> str:
    """Return the ARN of a bucket."""
    return f"arn:aws:s3:::{bucket}"


def object_arn(bucket: str, key: str) -> str:
    """Return the ARN of an object."""
    return f"arn:aws:s3:::{bucket}/{key}"


def listing(bucket: str) -> Right:
    """Return the right without which S3 does not tell that an object is missing: a GET has no prefix."""
    return Right("s3:ListBucket", bucket_arn(bucket))


def _besides(target: Target, request: Request) -> Iterator[Right]:
    """Yield what headers of a write ask for: tags, and a comparison with what stands there."""
    writes = target.operation in {"PutObject", "CreateMultipartUpload"}
    if writes and "x-amz-tagging" in request.headers:
        yield Right("s3:PutObjectTagging", object_arn(target.bucket, target.key))
    if writes and "if-match" in request.headers:
        yield Right("s3:GetObject", object_arn(target.bucket, target.key))


def _of_keys(
    target: Target, request: Request, *, objects: Objects, settings: SimulatorSettings
) -> Iterator[Right]:
    """Yield what is needed of the KMS key of what is written or read; an upload in parts opens its data key again."""
    upload = target.parameters.get("uploadId")
    key: str | None = None
    action = ""
    if target.operation == "GetObject":
        stored = objects.find(target.bucket, target.key)
        key, action = (None if stored is None else stored.kept.kms_key), "kms:Decrypt"
    elif target.operation in {"PutObject", "CreateMultipartUpload"}:
        key, action = request.headers.get(KMS_KEY), "kms:GenerateDataKey"
    elif target.operation in {"UploadPart", "CompleteMultipartUpload"} and upload is not None:
        key, action = objects.kms_key_of_upload(upload), "kms:Decrypt"
    if key is not None:
        yield _of_key(action, key, settings)


def _of_key(action: str, key: str, settings: SimulatorSettings) -> Right:
    """Return the right to use a key, which a call names by its id, its ARN, or an alias of either form."""
    ours = f"arn:aws:kms:{settings.region}:{settings.account_id}:"
    name = key.removeprefix(ours)
    if name.startswith("alias/"):
        # No keys are simulated: that of an alias has an id of its own.
        return Right(action, f"{ours}key/of-{name.removeprefix('alias/')}", {"kms:ResourceAliases": (name,)})
    return Right(action, key if key.startswith("arn:") else f"{ours}key/{key}")
