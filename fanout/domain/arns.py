"""Makes and reads ARNs, the names of AWS's resources in policies; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from fanout.domain.location import is_arn
from fanout.domain.queue_urls import queue_region

_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("eusc-", "aws-eusc"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
)
"""What the regions of each partition but `aws` begin with: `regionRegex` of botocore's partitions.json."""
_ALIAS = "-s3alias"
_NOT_IN_POLICIES = re.compile(r"[^\t\n\r -\xff]+")  # PutRolePolicy, API reference: pattern of PolicyDocument


def partition_of(region: str) -> str:
    """Return the partition that a region is in."""
    return next((name for prefix, name in _PARTITIONS if region.startswith(prefix)), "aws")


@dataclass(frozen=True, slots=True)
class Account:
    """One account in one region."""

    partition: str
    region: str
    account_id: str

    @classmethod
    def of_arn(cls, arn: str) -> Account | None:
        """Return the account that an ARN names, None if it names none."""
        parts = arn.split(":", 5)
        if len(parts) < 6 or parts[0] != "arn" or not (parts[3] and parts[4]):
            return None
        return cls(parts[1], parts[3], parts[4])

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of this account."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def endpoint(self, name: str) -> str:
        """Return the ARN of an endpoint, in which SageMaker writes the name in lower case; policies go by the case."""
        return self.arn("sagemaker", f"endpoint/{name.lower()}")

    def queue(self, url: str) -> str:
        """Return the ARN of the queue at `url`, whose account and region may be others."""
        account_id, name = urlsplit(url).path.strip("/").split("/")
        return f"arn:{self.partition}:sqs:{queue_region(url) or self.region}:{account_id}:{name}"

    def key(self, key: str) -> tuple[str, str | None]:
        """Return the ARN of a KMS key and, if `key` is an alias, the alias, which is no resource of a policy."""
        given = Account.of_arn(key)
        resource = key.split(":", 5)[5] if given is not None else key
        account = given or self
        if resource.startswith("alias/"):
            return account.arn("kms", "key/*"), resource
        return account.arn("kms", resource if given is not None else f"key/{resource}"), None

    def bucket(self, bucket: str) -> str:
        """Return the ARN of a bucket; of an access point, which may stand for one, its own.

        An alias does not tell the whole name of its access point, so any with its beginning is meant.
        """
        if is_arn(bucket):
            return bucket
        if bucket.endswith(_ALIAS):
            name = bucket.removesuffix(_ALIAS).rpartition("-")[0]
            return self.arn("s3", f"accesspoint/{name}*")
        return f"arn:{self.partition}:s3:::{bucket}"

    def objects(self, bucket: str, pattern: str) -> str:
        """Return the ARN of the objects of a bucket whose keys match an IAM pattern."""
        arn = self.bucket(bucket)
        return f"{arn}/object/{pattern}" if ":accesspoint" in arn else f"{arn}/{pattern}"


def literal(text: str) -> str:
    """Return `text` as IAM patterns spell it, so that no character of it is a wildcard or begins a variable.

    Policies hold no other characters than those of Latin-1; a star stands for what is none of them.
    """
    escaped = text.replace("${", "${$}{").replace("*", "${*}").replace("?", "${?}")
    return _NOT_IN_POLICIES.sub("*", escaped)
