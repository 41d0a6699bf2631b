"""Says what each key of the configuration means, in a sentence: for the JSON schema and the reference of the site.

A key that a flag sets has the flag's words (`config/flags.py`), unless it has some here. Units are those that the name
of a key ends in, or stand in its sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fanout.config.flags import BENCH, RESUME, RUN, Flag

TEXTS: Mapping[str, str] = {
    "input.paths": "Files, directories, globs, s3:// locations, or - for standard input.",
    "input.watermark": "File or s3:// object that notes what earlier runs have read; by default in the input's folder.",
    "input.format": "What the files are; auto goes by their names and first bytes.",
    "input.compression": "How JSON Lines are compressed; auto goes by names and first bytes.",
    "input.line_max_bytes": "A longer line is a rejected row.",
    "input.batch_bytes": "Decoded bytes of a batch of Parquet, about.",
    "input.any_json": "Take lines of any JSON value, such as 17 or [1, 2], and not only objects.",
    "endpoint.url": "Where to reach AWS instead of its own addresses, like AWS_ENDPOINT_URL.",
    "endpoint.account_alias": "What people call the account, for reports.",
    "endpoint.bucket_owner": "Account, 12 digits, that must own the buckets; S3 refuses the call if another does.",
    "payload.template": 'JSON in which "$column" stands for a column of the row; $$ is a dollar.',
    "columns.location": "Column that names an s3:// object to send instead of a payload.",
    "columns.accept": "Column that holds the content type asked of the model for each row.",
    "columns.custom_attributes": "Column that holds the custom attributes that the model gets with each row.",
    "columns.ttl_s": "Column that holds the seconds that each row may wait in the endpoint's queue.",
    "columns.invocation_timeout_s": "Column that holds the seconds that the model may take for each row.",
    "transport.mode": "auto: inline up to inline_max_bytes, else via S3; inline or s3: all rows that way.",
    "transport.inline_max_bytes": "Largest payload that travels in the request.",
    "transport.inline_regions": "Regions that take payloads in the request, in place of the built-in list.",
    "transport.encryption": "Server-side encryption that uploads ask for; by default the bucket decides.",
    "transport.bucket_key": "Ask for an S3 Bucket Key, which saves calls to KMS.",
    "transport.input_tags": "Tags of uploaded objects.",
    "transport.request_payer": "Pay for requests to buckets whose owner lets the requester pay.",
    "transport.uploads": "Uploads at once.",
    "transport.client": "HTTP client of the calls made for each row: our own, or aiobotocore.",
    "transport.connect_timeout_s": "A connection that takes longer is given up and tried again.",
    "transport.call_timeout_s": "A call that takes longer is given up.",
    "pacing.bytes_per_s": "Payload bytes a second, never exceeded.",
    "pacing.burst": "Requests that may go at once after a pause, beyond the schedule of rate.",
    "pacing.held_bytes": "Bytes of payloads and kept values in memory, and as many of responses; one may be larger.",
    "collect.notifications": "Learn of results through SNS and SQS; false finds them by listing S3.",
    "collect.pollers": "Long polls of the queue at once.",
    "collect.poll_s": "Length of a long poll.",
    "collect.fetches": "Results fetched at once; by default transport.concurrency.",
    "collect.quiet_s": "Silence of the queue after which S3 is asked for results.",
    "collect.unknown_wait_s": "Wait before a row whose reply was lost is sent again; by default by other rows' times.",
    "collect.response_max_bytes": "Largest response that is read; a row with a larger one fails.",
    "collect.redrive": "Whether a shared queue may have a redrive policy, for which every receive counts.",
    "output.mode": 'Permissions of the output, as chmod takes them ("0640"); by default what the umask leaves.',
    "output.fields": "Columns made of JSON responses: a path (RFC 9535), or a table of path, type and optional.",
    "output.part_rows": "Rows after which a part file is written and durable.",
    "output.part_bytes": "Bytes of responses after which it is.",
    "output.part_s": "Seconds after which it is.",
    "run.keep_dir": "Keep the part files, too, once the output is written.",
    "run.journal": "Keep a journal, without which a run cannot be resumed.",
    "run.scratch": "Directory for what need not outlive the process, for a run kept in S3; else TMPDIR or the cache.",
    "run.segment_s": "Seconds between two segments of a journal in S3: longer costs less and holds rows longer.",
    "run.snapshot_s": "Seconds between two snapshots of a run in S3, which a new owner reads in place of segments.",
    "run.timezone": "Time zone of {date}: an IANA name such as Europe/Berlin.",
    "run.seed": "Seed of what is drawn: a backoff's jitter, an experiment's order and arrivals, the local AWS.",
    "retry.generations": "How often a row that the model failed is sent again within the run.",
    "retry.patterns": "Regular expressions of model errors that are worth another try, in place of the built-in ones.",
    "bench.until_ms": "Stop once every size is known to within this much.",
    "bench.late_ms": "A request that leaves this much after it was due counts as late.",
    "local.simulator": "Settings of the local AWS.",
    "metrics.address": "Address that the metrics are served on.",
    "metrics.textfile_s": "How often the file is written.",
    "metrics.job": "Label of the text file, and grouping key of the Pushgateway.",
    "prices.s3_put_per_1000": "US dollars for 1,000 PUT, COPY, POST or LIST of S3 Standard.",
    "prices.s3_get_per_1000": "US dollars for 1,000 GET or HEAD of S3 Standard.",
    "prices.sns_publish_per_million": "US dollars for 1,000,000 SNS messages; each started 64 KB counts as one.",
    "prices.sqs_request_per_million": "US dollars for 1,000,000 SQS requests; each started 64 KB counts as one.",
    "prices.instances": 'US dollars for an hour of an instance, by its type in quotes: "ml.g5.xlarge" = 1.41.',
}  # fmt: skip

UNITS: Mapping[str, str] = {
    "_per_s": "bytes a second",
    "_bytes": "bytes",
    "_ms": "milliseconds",
    "_s": "seconds",
    "rate": "requests a second",
    "per_1000": "US dollars",
    "per_million": "US dollars",
}
"""Units, by how the name of a key ends; the first that fits."""


def text_of(key: str) -> str | None:
    """Return what `key` (`pacing.rate`) means, None if no sentence says so."""
    return TEXTS.get(key) or next((flag.help for flag in _flags() if flag.key == key), None)


def flag_of(key: str) -> str | None:
    """Return the option, or the argument, that sets `key`: `--rate`; None if no flag does."""
    for flag in _flags():
        if flag.key == key:
            return flag.metavar or flag.option if flag.kind == "paths" else flag.option
    return None


def unit_of(key: str) -> str | None:
    """Return the unit of a key's number, None if it has none."""
    if key.startswith("columns."):  # the name of a column
        return None
    return next((unit for ending, unit in UNITS.items() if key.endswith(ending)), None)


def _flags() -> Iterator[Flag]:
    yield from (*RUN, *RESUME, *BENCH)
