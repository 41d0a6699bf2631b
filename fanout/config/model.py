"""Declares every key of the configuration, with its default and its bounds: one frozen model, one section a concern.

Nothing else has these defaults: the settings of the parts are made from them (`runtime/settings.py`).
"""

from __future__ import annotations

import re
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from fanout.config.fields import ColumnName, FieldSection, raise_each
from fanout.config.values import (
    TAGS_MAX,
    Count,
    Day,
    FileMode,
    Header,
    Number,
    Positive,
    Seconds,
    TagKey,
    TagValue,
)
from fanout.domain.limits import (
    INLINE_MAX_BYTES,
    RESPONSE_BYTES,
    RESPONSE_MAX_BYTES,
    TIMEOUT_S,
    TTL_S,
)
from fanout.domain.location import is_arn, parse_prefix
from fanout.domain.prices import Prices
from fanout.domain.queue_urls import is_queue_url
from fanout.domain.response_fields import Form
from fanout.domain.zones import zone

PROCESSES_MAX = 64  # each reads the whole input and has a queue of its own: beyond this, use more machines
SHARDS_MAX = 10_000  # children of an array job at most (AWS Batch user guide, "Array jobs")
EXIT_MAX = 125  # a POSIX shell has codes of its own above
Names = tuple[str, ...]


PART_S_MAX = 120.0
"""Longest that a part may stay open, in seconds. A message is deleted once its part is durable, and our queue delivers
it again 300 s after it was received (`VisibilityTimeout`, aws/run_queue.py): the rest is for writing and deleting."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSection(_Section):
    """`[input]`: where the rows are; `since` takes what is new since the last night (`runtime.night`)."""

    paths: Names = ()
    since: Literal["last"] | None = None
    watermark: str | None = None
    format: Literal["auto", "jsonl", "parquet"] = "auto"
    compression: Literal["auto", "none", "gzip", "zstd"] = "auto"
    limit: Count | None = None
    line_max_bytes: Count = 64 * 1024 * 1024
    batch_bytes: Count = 8 * 1024 * 1024
    any_json: bool = False
    text_columns: Names = ()

    @model_validator(mode="after")
    def _whole_files(self) -> InputSection:
        if self.since is not None and self.limit is not None:
            raise ValueError("since takes whole files, and limit a part of them: leave one out")
        if self.since is not None and "-" in self.paths:
            raise ValueError("since looks for new files, and standard input is none: leave one out")
        return self


class EndpointSection(_Section):
    """`[endpoint]`: which endpoint, and how AWS is reached."""

    name: Annotated[str, Field(max_length=63, pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9])*$")] | None = None
    region: str | None = None
    profile: str | None = None
    url: str | None = None
    account_alias: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    bucket_owner: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None


class PayloadSection(_Section):
    """`[payload]`: what the model receives; nothing set means the whole row as JSON."""

    column: str | None = None
    fields: Names = ()
    template: Any = None
    content_type: Header | None = None
    accept: Header | None = None
    custom_attributes: Header | None = None
    ttl_s: Annotated[int, Field(ge=TTL_S[0], le=TTL_S[1]), Number] | None = None
    invocation_timeout_s: Annotated[int, Field(ge=TIMEOUT_S[0], le=TIMEOUT_S[1]), Number] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> PayloadSection:
        chosen = [self.column is not None, bool(self.fields), self.template is not None]
        if sum(chosen) > 1:
            raise ValueError("column, fields and template exclude each other")
        return self


class ColumnsSection(_Section):
    """`[columns]`: input columns that say something of their row, or are kept in the output."""

    id: str | None = None
    keep: Names = ()
    location: str | None = None
    content_type: str | None = None
    accept: str | None = None
    custom_attributes: str | None = None
    ttl_s: str | None = None
    invocation_timeout_s: str | None = None

    @field_validator("keep")
    @classmethod
    def _each_once(cls, keep: Names) -> Names:
        return tuple(dict.fromkeys(keep))


class TransportSection(_Section):
    """`[transport]`: how payloads travel."""

    mode: Literal["auto", "inline", "s3"] = "auto"
    inline_max_bytes: Annotated[int, Field(ge=0, le=INLINE_MAX_BYTES), Number] = INLINE_MAX_BYTES
    inline_regions: Names | None = None
    input_prefix: str | None = None
    keep_inputs: bool = False
    encryption: Literal["AES256", "aws:kms"] | None = None
    kms_key_id: str | None = None
    bucket_key: bool | None = None
    input_tags: Annotated[dict[TagKey, TagValue], Field(max_length=TAGS_MAX)] = Field(default_factory=dict)
    request_payer: Literal["requester"] | None = None
    concurrency: Count = 64
    uploads: Count = 16
    client: Literal["wire", "aiobotocore"] = "wire"
    connect_timeout_s: Positive = 5.0
    call_timeout_s: Positive = 60.0

    @field_validator("input_prefix")
    @classmethod
    def _is_s3(cls, prefix: str | None) -> str | None:
        location = None if prefix is None else parse_prefix(prefix)
        if prefix is not None and location is None:
            raise ValueError("is not of the form s3://bucket or s3://bucket/prefix")
        if location is not None and is_arn(location.bucket):
            # What SageMaker makes of an ARN in InputLocation is not documented; an alias is a bucket's name to all.
            raise ValueError(
                "names an access point by its ARN: name it by its alias, s3://NAME-...-s3alias/prefix "
                "(aws s3control get-access-point)"
            )
        return prefix

    @model_validator(mode="after")
    def _keys_are_of_kms(self) -> TransportSection:
        given = [name for name in ("kms_key_id", "bucket_key") if getattr(self, name) is not None]
        if self.encryption == "AES256" and given:
            raise ValueError(f"{given[0]} is of KMS and does not go with encryption AES256")
        if self.bucket_key is not None and self.kms_key_id is None and self.encryption is None:
            raise ValueError('bucket_key needs encryption = "aws:kms", or a kms_key_id')
        return self


class PacingSection(_Section):
    """`[pacing]`: how fast, and how much at once."""

    rate: Positive | None = None
    bytes_per_s: Positive | None = None
    burst: Seconds = 0.0
    window: Count = 10_000
    held_bytes: Count = 40 * 1024 * 1024


class CollectSection(_Section):
    """`[collect]`: how results are found, and how large they may be; `fetches` unset are `transport.concurrency`.

    `unknown_wait_s` without a value follows the service times seen so far (`engine.reconcile.unknown_wait`).
    """

    notifications: bool = True
    queue_url: str | None = None
    pollers: Count = 8
    poll_s: Annotated[float, Field(ge=0, le=20), Number] = 20.0
    fetches: Count | None = None
    quiet_s: Positive = 10.0
    unknown_wait_s: Seconds | None = None
    unknown: Literal["resend", "wait", "settle", "never"] = "resend"
    trust_responses: bool = False
    response_max_bytes: Annotated[int, Field(ge=1, le=RESPONSE_MAX_BYTES), Number] = RESPONSE_BYTES
    trust_failures: bool = False
    redrive: Literal["refuse", "accept"] = "refuse"

    @field_validator("queue_url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is not None and not is_queue_url(url):
            raise ValueError(
                "is not a queue's url, such as https://sqs.REGION.amazonaws.com/ACCOUNT/NAME (aws sqs get-queue-url)"
            )
        return url


class OutputSection(_Section):
    """`[output]`: the file that comes of it; a path that ends in `/` is a dataset of parts.

    `mode` are its permissions as chmod takes them, by default what the umask leaves; `response` is what responses are
    written as, `fields` are values of JSON responses with a column each.
    """

    path: str | None = None
    overwrite: bool = False
    mode: FileMode | None = None
    part_rows: Count = 5_000
    part_bytes: Count = 64 * 1024 * 1024
    part_s: Positive = 10.0
    response: Form = "bytes"
    fields: dict[ColumnName, FieldSection] = Field(default_factory=dict)

    @property
    def permissions(self) -> int | None:
        """Permissions of the output's files; None for what the umask leaves."""
        return None if self.mode is None else int(self.mode, 8)

    @field_validator("fields")
    @classmethod
    def _each_once(cls, fields: dict[str, FieldSection]) -> dict[str, FieldSection]:
        mistakes = {
            two: f"{one!r} and {two!r} differ in case alone, and would be one column to DuckDB, Spark and Athena"
            for one, two in combinations(fields, 2)
            if one.casefold() == two.casefold()
        }
        raise_each(mistakes, fields)
        return fields

    @field_validator("part_s")
    @classmethod
    def _before_messages_come_again(cls, part_s: float) -> float:
        if part_s > PART_S_MAX:
            raise ValueError(
                f"should be at most {PART_S_MAX:g}: messages are deleted when their part is written, "
                "and the queue delivers them again after 300 s"
            )
        return part_s


class RunSection(_Section):
    """`[run]`: the run as a whole; `processes` share its rows and its bounds among them (`shards.plan`).

    `shard` has this process do one of several shards (`commands.shard`); `shards` are all of them, `at_once` of which
    are at work at a time, as processes of this machine or on the Ray cluster at `ray_address` (`engine`).

    `date` is that of its paths (`runtime.schedule`), by default today in `timezone`. `resume` goes on with the output's
    unfinished run, if there is one (`commands.new_run`). With `dir` in S3, segments of the journal are stored there, at
    least `segment_s` apart, and a snapshot every `snapshot_s`; `scratch` is the directory for what need not outlive the
    process (`place.scratch`).
    """

    dir: str | None = None
    resume: bool = False
    processes: Annotated[int, Field(ge=1, le=PROCESSES_MAX), Number] = 1
    keep_dir: bool = False
    max_failures: Annotated[int, Field(ge=0), Number] | None = None
    deadline_s: Positive | None = None
    grace_s: Seconds = 20.0
    journal: bool = True
    seed: Annotated[int, Number] | None = None
    ephemeral: bool = False
    scratch: str | None = None
    segment_s: Annotated[float, Field(ge=0.02, le=1.0), Number] = 0.1
    snapshot_s: Annotated[float, Field(ge=1.0, le=3_600.0), Number] = 180.0
    shard: Annotated[str, Field(min_length=1)] | None = None
    shards: Annotated[int, Field(ge=1, le=SHARDS_MAX), Number] | None = None
    at_once: Annotated[int, Field(ge=1, le=SHARDS_MAX), Number] | None = None
    engine: Literal["processes", "ray"] = "processes"
    ray_address: Annotated[str, Field(min_length=1)] | None = None
    rows_failed_exit: Annotated[int, Field(ge=0, le=EXIT_MAX), Number] = 3
    date: Day | None = None
    timezone: str = "UTC"

    @property
    def shard_count(self) -> int:
        """Into how many shards, or processes, the run is divided; 1 for none."""
        return self.shards or self.processes

    @property
    def is_divided(self) -> bool:
        """Whether its rows are those of shards or processes with journals of their own, and be it one shard."""
        return self.shards is not None or self.processes > 1

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        zone(name)
        return name


class RetrySection(_Section):
    """`[retry]`: rows that the model failed; `patterns` replace the built-in ones."""

    generations: Annotated[int, Field(ge=0, le=20), Number] = 1
    patterns: Names | None = None

    @field_validator("patterns")
    @classmethod
    def _are_patterns(cls, patterns: Names | None) -> Names | None:
        for pattern in patterns or ():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
        return patterns


class BenchSection(_Section):
    """`[bench]`: the paired experiment. `sizes` are payloads of our own making, when no input is named."""

    rate: Positive = 40.0
    arrivals: Literal["poisson", "constant"] = "poisson"
    closed: Count | None = None
    pairs: Count = 150
    warmup: Annotated[int, Field(ge=0), Number] = 60
    sizes: Names = ("1KB", "8KB", "32KB", "64KB", "127999", "128000")
    until_ms: Positive | None = None
    late_ms: Positive = 10.0


class LocalSection(_Section):
    """`[local]`: run against the simulator that ships with the program; `simulator` is its settings."""

    enabled: bool = False
    simulator: dict[str, Any] = Field(default_factory=dict)


class MetricsSection(_Section):
    """`[metrics]`: where the run's metrics go; with no place named, nothing is counted."""

    port: Annotated[int, Field(ge=0, le=65535), Number] | None = None
    address: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    textfile: Annotated[str, Field(min_length=1)] | None = None
    textfile_s: Positive = 15.0
    pushgateway: Annotated[str, Field(min_length=1)] | None = None
    job: Annotated[str, Field(min_length=1)] = "fanout"

    @field_validator("pushgateway")
    @classmethod
    def _names_no_password(cls, url: str | None) -> str | None:
        if url is not None and "@" in url:
            raise ValueError(
                "holds credentials, which would end up in run.json: use a gateway or a proxy without"
            )
        return url

    @property
    def wanted(self) -> bool:
        """Whether a place is named."""
        return any(place is not None for place in (self.port, self.textfile, self.pushgateway))


class Config(_Section):
    """The whole configuration of a run."""

    input: InputSection = InputSection()
    endpoint: EndpointSection = EndpointSection()
    payload: PayloadSection = PayloadSection()
    columns: ColumnsSection = ColumnsSection()
    transport: TransportSection = TransportSection()
    pacing: PacingSection = PacingSection()
    collect: CollectSection = CollectSection()
    output: OutputSection = OutputSection()
    retry: RetrySection = RetrySection()
    run: RunSection = RunSection()
    local: LocalSection = LocalSection()
    metrics: MetricsSection = MetricsSection()
    bench: BenchSection = BenchSection()
    prices: Prices = Prices()

    @field_validator("output")
    @classmethod
    def _fields_are_no_kept_columns(cls, output: OutputSection, others: ValidationInfo) -> OutputSection:
        columns = others.data.get("columns")  # read before; not there where it has mistakes of its own
        keep = () if columns is None else columns.keep
        kept = {name.removesuffix("?").casefold(): name for name in keep}
        mistakes = {
            name: f"is the column {kept[name.casefold()]!r} that columns.keep copies: choose another name"
            for name in output.fields
            if name.casefold() in kept
        }
        raise_each(mistakes, output.fields, below=("fields",))
        return output
