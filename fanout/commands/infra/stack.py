"""Makes the CloudFormation template of all that a run talks to: buckets, topics, endpoint, scaling, and its role; pure.

The model is there already: a template cannot know its image and its data.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from fanout.commands.infra.cloudformation import Json, output, parameter, ref, sub, subs, template
from fanout.commands.infra.permissions import VERSION, policy
from fanout.commands.infra.queue import QUEUE, queue_outputs, queue_resources
from fanout.commands.infra.scaling import scaling
from fanout.commands.infra.uses import Key, Uses, below
from fanout.domain.arns import Account
from fanout.errors import UsageError

HERE = Account("${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}")
TOPICS = ("${CompletedTopic}", "${FailedTopic}")
UPLOADS, OUTPUTS, FAILURES, ANSWERS = "uploads", "outputs", "failures", "answers"
"""Prefixes: of payloads, in the bucket for inputs; in the other of what the endpoint writes, and of runs' outputs."""
VARIANT = "AllTraffic"
_ENDPOINT_NAME = r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$"  # service model of SageMaker, EndpointName
_INSTANCE_TYPE = r"ml\.[a-z0-9-]+\.[a-z0-9]+"  # likewise, ProductionVariantInstanceType
_KEY = r"arn:[^:]+:kms:[^:]+:\d{12}:key/.+"
CONCURRENCY_MAX = 1_000  # likewise, MaxConcurrentInvocationsPerInstance
_RETAINED = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """What a stack is like.

    Attributes:
        model: Name of the model; None has CloudFormation ask for it.
        endpoint: Name of the endpoint.
        instance_type: Type of its instances.
        min_instances: Instances at least; 0 costs nothing while no rows wait.
        max_instances: Maximum of instances.
        concurrency: Requests at once that an instance gets (MaxConcurrentInvocationsPerInstance).
        backlog: Waiting requests for each instance, which scaling aims at.
        expire_days: Days until uploads and the endpoint's objects are deleted.
        kms_key: ARN of the key that all of it is encrypted with; None for S3's own.
        embed_responses: Whether responses ride along in notifications (IncludeInferenceResponseIn).
        model_role: Name of the model's execution role, which then gets the rights that it needs here.
        trusted: Who may take on the run's role: an ARN, or a service such as `ecs-tasks.amazonaws.com`; None for the
            account, whose policies decide.
        shared_queue: Whether a queue is made that runs share.
        s3_output: Whether runs put their outputs into the bucket for results.
    """

    model: str | None = None
    endpoint: str
    instance_type: str
    min_instances: int
    max_instances: int
    concurrency: int
    backlog: float
    expire_days: int
    kms_key: str | None = None
    embed_responses: bool = False
    model_role: str | None = None
    trusted: str | None = None
    shared_queue: bool = False
    s3_output: bool = False


def check(options: StackOptions) -> None:
    """Return if a stack can be like that; CloudFormation would find out in the midst of making it.

    Raises:
        UsageError: It cannot; says all that is wrong.
    """
    wrong = {
        f"--endpoint {options.endpoint}: is not the name of an endpoint": not re.fullmatch(
            _ENDPOINT_NAME, options.endpoint
        ),
        f"--instance-type {options.instance_type}: is not an instance type such as ml.g5.xlarge": not re.fullmatch(
            _INSTANCE_TYPE, options.instance_type
        ),
        "--min: should be at least 0": options.min_instances < 0,
        "--max: should be at least 1, and at least --min": options.max_instances
        < max(1, options.min_instances),
        "--concurrency: should be 1 to 1,000": not 1 <= options.concurrency <= CONCURRENCY_MAX,
        "--backlog: should be more than 0": not 0.0 < options.backlog < math.inf,
        "--expire-days: should be at least 1": options.expire_days < 1,
        f"--kms-key {options.kms_key}: is no key's ARN, such as arn:aws:kms:REGION:ACCOUNT:key/ID": options.kms_key
        is not None
        and not re.fullmatch(_KEY, options.kms_key),
    }
    if said := [text for text, is_wrong in wrong.items() if is_wrong]:
        raise UsageError(*said)


def stack(options: StackOptions) -> Json:
    """Return the template of a stack.

    Raises:
        UsageError: As `check`.
    """
    check(options)
    resources = {
        **_buckets(options),
        **_topics(options),
        **_endpoint(options),
        **scaling(variant=VARIANT),
        **(_of_model(options) if options.model_role is not None else {}),
        **(queue_resources(TOPICS, name=None) if options.shared_queue else {}),
        **_run_role(options),
    }
    return template(
        "An asynchronous SageMaker endpoint for fanout: buckets, topics, scaling to zero and up, and the role of runs.",
        parameters=_parameters(options),
        resources=resources,
        outputs=_outputs(options),
    )


def uses_of_stack(options: StackOptions) -> Uses:
    """Return what a run uses of a stack, by names that CloudFormation fills in."""
    return Uses(
        account=HERE,
        endpoint="${Endpoint}",  # a reference to it is its ARN
        uploads=below(HERE, "${Inputs}", UPLOADS),
        key=_key(options),
        results=tuple(below(HERE, "${Results}", prefix) for prefix in (OUTPUTS, FAILURES)),
        results_key=_key(options),
        topics=() if options.shared_queue else TOPICS,
        shared_queue=f"${{{QUEUE}.Arn}}" if options.shared_queue else None,
        output=below(HERE, "${Results}", ANSWERS) if options.s3_output else None,
        dataset=options.s3_output,
    )


def _key(options: StackOptions) -> Key | None:
    return None if options.kms_key is None else Key("${KmsKeyArn}")


def _parameters(options: StackOptions) -> Json:
    optional = {
        "KmsKeyArn": ("ARN of the KMS key of buckets, topics and results.", options.kms_key),
        "ModelRoleName": ("Name of the model's execution role.", options.model_role),
        "TrustedPrincipal": ("Who may assume the role of runs.", options.trusted),
    }
    return {
        "ModelName": parameter("Name of the SageMaker model.", default=options.model, MinLength=1),
        "EndpointName": parameter(
            "Name of the endpoint.", default=options.endpoint, AllowedPattern=_ENDPOINT_NAME
        ),
        "InstanceType": parameter("Type of the instances.", default=options.instance_type),
        "MinInstances": _number("Minimum of instances.", options.min_instances, least=0),
        "MaxInstances": _number("Maximum of instances.", options.max_instances),
        "ConcurrentInvocations": _number(
            "Requests that an instance gets at once.", options.concurrency, most=CONCURRENCY_MAX
        ),
        "BacklogPerInstance": parameter(
            "Waiting requests for each instance, which scaling aims at.",
            default=options.backlog,
            kind="Number",
        ),
        "ExpireDays": _number(
            "Days until uploads and the endpoint's objects are deleted.", options.expire_days
        ),
        **{
            name: parameter(said, default=value)
            for name, (said, value) in optional.items()
            if value is not None
        },
    }


def _number(description: str, default: int, *, least: int = 1, most: int | None = None) -> Json:
    bounds = {"MinValue": least} | ({} if most is None else {"MaxValue": most})
    return parameter(description, default=default, kind="Number", **bounds)


def _buckets(options: StackOptions) -> Json:
    return {
        **_bucket("Inputs", (UPLOADS,), options),
        **_bucket("Results", (OUTPUTS, FAILURES), options),
    }


def _bucket(name: str, expiring: tuple[str, ...], options: StackOptions) -> Json:
    by_default = (
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        if options.kms_key is None
        else {
            "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": ref("KmsKeyArn")},
            "BucketKeyEnabled": True,
        }
    )
    expiry = [
        {
            "Id": f"expire-{prefix}",
            "Status": "Enabled",
            "Prefix": f"{prefix}/",
            "ExpirationInDays": ref("ExpireDays"),
        }
        for prefix in expiring
    ]
    # The reply to a CreateMultipartUpload can be lost, and then there is no id to abort it by.
    abort = {
        "Id": "abort-uploads",
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
    }
    arn = f"arn:${{AWS::Partition}}:s3:::${{{name}}}"
    unencrypted = {
        "Sid": "OnlyByTLS",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": False}},
    }
    closed = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    return {
        name: {
            "Type": "AWS::S3::Bucket",
            **_RETAINED,
            "Properties": {
                "BucketEncryption": {"ServerSideEncryptionConfiguration": [by_default]},
                "LifecycleConfiguration": {"Rules": [*expiry, abort]},
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "PublicAccessBlockConfiguration": dict.fromkeys(closed, True),
            },
        },
        f"{name}Policy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"Bucket": ref(name), "PolicyDocument": _document(unencrypted)},
        },
    }


def _topics(options: StackOptions) -> Json:
    key = {} if options.kms_key is None else {"KmsMasterKeyId": ref("KmsKeyArn")}
    made = {"Type": "AWS::SNS::Topic", "Properties": key} if key else {"Type": "AWS::SNS::Topic"}
    return {"CompletedTopic": made, "FailedTopic": made}


def _endpoint(options: StackOptions) -> Json:
    topics: dict[str, object] = {"SuccessTopic": ref("CompletedTopic"), "ErrorTopic": ref("FailedTopic")}
    if options.embed_responses:
        topics["IncludeInferenceResponseIn"] = ["SUCCESS_NOTIFICATION_TOPIC", "ERROR_NOTIFICATION_TOPIC"]
    results = {
        "S3OutputPath": sub(f"s3://${{Results}}/{OUTPUTS}"),
        "S3FailurePath": sub(f"s3://${{Results}}/{FAILURES}"),
        "NotificationConfig": topics,
    }
    if options.kms_key is not None:
        results["KmsKeyId"] = ref("KmsKeyArn")
    variant = {
        "VariantName": VARIANT,
        "ModelName": ref("ModelName"),
        "InstanceType": ref("InstanceType"),
        "InitialInstanceCount": 1,  # an endpoint begins with one; scaling takes it away again
        "InitialVariantWeight": 1,
    }
    calls = {"MaxConcurrentInvocationsPerInstance": ref("ConcurrentInvocations")}
    # Without its rights, the model's role could not write what comes first.
    waits = {"DependsOn": "ModelRolePolicy"} if options.model_role is not None else {}
    return {
        "EndpointConfig": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {
                "ProductionVariants": [variant],
                "AsyncInferenceConfig": {"ClientConfig": calls, "OutputConfig": results},
            },
        },
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            **waits,
            "Properties": {
                "EndpointName": ref("EndpointName"),
                "EndpointConfigName": sub("${EndpointConfig.EndpointConfigName}"),
                "RetainAllVariantProperties": True,  # else an update takes all instances but one away
            },
        },
    }


def _of_model(options: StackOptions) -> Json:
    """Return what the model's role needs: it reads uploads, writes results and announces them."""
    buckets = {name: f"arn:${{AWS::Partition}}:s3:::${{{name}}}" for name in ("Inputs", "Results")}
    granted: list[tuple[str, list[str], list[str]]] = [
        ("ReadUploads", ["s3:GetObject"], [f"{buckets['Inputs']}/{UPLOADS}/*"]),
        (
            "WriteResults",
            ["s3:PutObject", "s3:AbortMultipartUpload"],
            [f"{buckets['Results']}/{prefix}/*" for prefix in (OUTPUTS, FAILURES)],
        ),
        ("FindObjects", ["s3:ListBucket"], list(buckets.values())),
        ("AnnounceResults", ["sns:Publish"], list(TOPICS)),
    ]
    if options.kms_key is not None:
        granted.append(("UseTheKey", ["kms:GenerateDataKey", "kms:Decrypt"], ["${KmsKeyArn}"]))
    statements = [
        {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
        for sid, actions, resources in granted
    ]
    return {
        "ModelRolePolicy": {
            "Type": "AWS::IAM::RolePolicy",
            "Properties": {
                "PolicyName": "fanout-endpoint",
                "RoleName": ref("ModelRoleName"),
                "PolicyDocument": _document(*statements),
            },
        }
    }


def _run_role(options: StackOptions) -> Json:
    trusted = options.trusted or ""
    kind = "Service" if trusted.endswith((".amazonaws.com", ".amazonaws.com.cn")) else "AWS"
    account = sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")
    principal = {kind: ref("TrustedPrincipal") if trusted else account}
    assume = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {
        "RunRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": VERSION, "Statement": [assume]},
                "Policies": [
                    {"PolicyName": "fanout-run", "PolicyDocument": subs(policy(uses_of_stack(options)))}
                ],
            },
        }
    }


def _document(*statements: Json) -> object:
    return subs({"Version": VERSION, "Statement": list(statements)})


def _outputs(options: StackOptions) -> Json:
    answers = {"OutputPrefix": output("For -o.", sub(f"s3://${{Results}}/{ANSWERS}/"))}
    return {
        "EndpointName": output("For --endpoint.", sub("${Endpoint.EndpointName}")),
        "InputPrefix": output("For --input-prefix.", sub(f"s3://${{Inputs}}/{UPLOADS}")),
        "RunRoleArn": output("Role of runs.", sub("${RunRole.Arn}")),
        **(answers if options.s3_output else {}),
        **(queue_outputs() if options.shared_queue else {}),
    }
