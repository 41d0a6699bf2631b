"""Declares each flag once: its name, the key that it sets, what it takes, and its help.

The command line makes its options from these tables, the library its keywords. Nothing heavy is imported: `--help`
answers at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal

from fanout.errors import UsageError
from fanout.text import did_you_mean

Sections = dict[str, dict[str, Any]]
Kind = Literal["text", "int", "float", "names", "paths", "on", "off"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag, and the keyword of the same name.

    Attributes:
        name: The keyword, `max_failures`; the flag is `--max-failures`.
        key: What it sets, `run.max_failures`.
        kind: What it takes: one value; `names`, separated by commas; `paths`, the arguments of the command line that
            have no flag; or nothing, where being there sets its key to true (`on`) or false (`off`).
        help: One sentence.
        short: Its short form, `-o`; none if empty.
        metavar: What stands for its value in `--help`; empty for the value's type.
        default: What holds without it, as `--help` says it; empty where nothing does. The configuration has the value.
        choices: What it takes, if that is a few words: a shell completes them.
    """

    name: str
    key: str
    kind: Kind
    help: str
    _: KW_ONLY
    short: str = ""
    metavar: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        """The flag as it is typed."""
        return f"--{self.name.replace('_', '-')}"

    def read(self, value: object) -> object:
        """Return `value`, as a person or a program gave it, as the configuration takes it; None says nothing.

        Raises:
            UsageError: A switch that turns something off is neither true nor false.
        """
        match self.kind, value:
            case "off", bool():
                return not value
            case "off", _ if value is not None:
                raise UsageError(f"{self.name}: {value!r} should be true or false")
            case "int" | "float", str():
                with suppress(
                    ValueError
                ):  # the configuration says what is wrong with it, and with all the others
                    return int(value) if self.kind == "int" else float(value)
                return value
            case "names", str():
                return [name.strip() for name in value.split(",") if name.strip()]
            case "paths", str() | os.PathLike():
                return [os.fspath(value)]
            case "paths", list() | tuple():
                return [_plain(path) for path in value] or None
            case _:
                return _plain(value)


RUN: Sequence[Flag] = (
    Flag("inputs", "input.paths", "paths", "Files, directories, globs, s3:// locations, or - for stdin.",
         metavar="INPUT"),
    Flag("output", "output.path", "text", "Parquet file or s3:// object to write; a dataset with a slash at its end.",
         short="-o"),
    Flag("endpoint", "endpoint.name", "text", "Name of the asynchronous endpoint."),
    Flag("local", "local.enabled", "on", "Run against the local AWS that ships with fanout."),
    Flag("transport", "transport.mode", "text", "How payloads travel: auto, inline or s3.",
         default="auto", choices=("auto", "inline", "s3")),
    Flag("input_prefix", "transport.input_prefix", "text",
         "s3://bucket/prefix for payloads that are too large to go inline."),
    Flag("keep_inputs", "transport.keep_inputs", "on", "Leave uploaded payloads in S3."),
    Flag("kms_key_id", "transport.kms_key_id", "text", "KMS key that encrypts uploaded payloads."),
    Flag("payload_column", "payload.column", "text", "This column, verbatim, is the payload (bytes or text)."),
    Flag("payload_fields", "payload.fields", "names", "These columns (a,b) are the payload, as one JSON object."),
    Flag("id_column", "columns.id", "text", "Column that becomes `id` in the output."),
    Flag("location_column", "columns.location", "text",
         "Column that names an s3:// object to send instead of a payload."),
    Flag("text_columns", "input.text_columns", "names",
         "Binary Parquet columns (a,b) whose bytes are UTF-8 text."),
    Flag("keep", "columns.keep", "names", "Columns (a,b) to copy into the output."),
    Flag("content_type", "payload.content_type", "text", "Content type of every payload."),
    Flag("content_type_column", "columns.content_type", "text", "Column that holds each row's content type."),
    Flag("accept", "payload.accept", "text", "Content type asked of the model."),
    Flag("custom_attributes", "payload.custom_attributes", "text", "Custom attributes that the model gets with a row."),
    Flag("ttl", "payload.ttl_s", "int", "Seconds a row may wait in the endpoint's queue."),
    Flag("invocation_timeout", "payload.invocation_timeout_s", "int", "Seconds the model may take for a row."),
    Flag("date", "run.date", "text", "Date of {date:%Y/%m/%d} in paths.",
         default="today in run.timezone"),
    Flag("since", "input.since", "text", "last: take only what is new since the last run that ended.",
         choices=("last",)),
    Flag("rate", "pacing.rate", "float", "Requests a second, never exceeded.",
         default="as many as the endpoint takes"),
    Flag("concurrency", "transport.concurrency", "int", "Requests in flight at once.", default="64"),
    Flag("window", "pacing.window", "int", "Rows open at once, sent and not finished.", default="10,000"),
    Flag("limit", "input.limit", "int", "Rows to read at most."),
    Flag("max_failures", "run.max_failures", "int", "Stop after more failed rows than this."),
    Flag("queue_url", "collect.queue_url", "text", "SQS queue to listen to.", default="one is made for the run"),
    Flag("no_notifications", "collect.notifications", "off", "Find results by listing S3."),
    Flag("trust_responses", "collect.trust_responses", "on", "Take responses from notifications that carry them."),
    Flag(
        "trust_failures",
        "collect.trust_failures",
        "on",
        "Believe failures that only a notification announces.",
    ),
    Flag("region", "endpoint.region", "text", "AWS region."),
    Flag("profile", "endpoint.profile", "text", "AWS profile."),
    Flag("deadline", "run.deadline_s", "float", "Stop after this many seconds (exit 7), resumable."),
    Flag("grace", "run.grace_s", "float", "Seconds to collect what the endpoint has, once stopped.",
         default="20"),
    Flag("processes", "run.processes", "int", "Processes of this machine that share the run.", default="1"),
    Flag("shard", "run.shard", "text",
         "Do one of several shards, i/N from 0/N on, or auto: what AWS Batch, Kubernetes or Slurm says."),
    Flag("shards", "run.shards", "int", "Divide the run into so many shards, and do all of them here."),
    Flag("at_once", "run.at_once", "int", "Shards at work at once: each has as much of the rate.",
         default="all of them"),
    Flag("engine", "run.engine", "text", "What runs the shards.", default="processes",
         choices=("processes", "ray")),
    Flag("ray_address", "run.ray_address", "text", "The Ray cluster, or auto.", default="one is started here"),
    Flag("rows_failed_exit", "run.rows_failed_exit", "int",
         "Exit code where some rows failed; 0 for a scheduler that takes 3 for a failure.", default="3"),
    Flag("run_dir", "run.dir", "text",
         "Directory of the run's own files; with a slash at its end, of one directory for each run.",
         default=".fanout/RUN beside the output"),
    Flag("ephemeral", "run.ephemeral", "on", "Accept that this run cannot be resumed if its host is lost."),
    Flag("resume", "run.resume", "on",
         "Continue the output's unfinished run, if there is one; do nothing if it has finished."),
    Flag("metrics_port", "metrics.port", "int",
         "Serve Prometheus metrics on this port of 127.0.0.1 meanwhile; 0 picks one."),
    Flag("metrics_textfile", "metrics.textfile", "text", "Write metrics to this .prom file (node_exporter)."),
    Flag("pushgateway", "metrics.pushgateway", "text", "Push metrics to this Pushgateway at the end."),
    Flag("response", "output.response", "text",
         "Type of the responses in the output; with text and json, a row whose response does not fit is invalid.",
         default="bytes", choices=("bytes", "text", "json")),
    Flag("overwrite", "output.overwrite", "on", "Replace an output that exists."),
)  # fmt: skip
"""The flags of a run, in the order of its `--help`."""


def _named(*names: str) -> Sequence[Flag]:
    """Return flags of `RUN`."""
    by_name = {flag.name: flag for flag in RUN}
    return [by_name[name] for name in names]


def _as_before(*names: str) -> Sequence[Flag]:
    """Return flags of `RUN` for a verb whose defaults are an earlier run's."""
    return [replace(flag, default="") for flag in _named(*names)]


RESUME: Sequence[Flag] = (
    Flag("unknown", "collect.unknown", "text",
         "Rows that may have been sent: resend (look first), settle (once the endpoint is idle), wait (for their "
         "deadline), or never.",
         choices=("resend", "settle", "wait", "never")),
    *_as_before("rate", "concurrency", "max_failures", "deadline"),
    *_as_before("metrics_port", "metrics_textfile", "pushgateway", "overwrite"),
)  # fmt: skip

RETRY: Sequence[Flag] = _as_before(
    "run_dir", "ephemeral", "rate", "concurrency", "window", "max_failures", "deadline", "grace",
    "metrics_port", "metrics_textfile", "pushgateway", "overwrite",
)  # fmt: skip

REPORT: Sequence[Flag] = _named("region", "profile")

GC: Sequence[Flag] = (
    Flag("endpoint", "endpoint.name", "text", "Only what is left of this endpoint's runs."),
    Flag("input_prefix", "transport.input_prefix", "text",
         "s3://bucket/prefix where runs uploaded payloads: look there, too."),
    Flag("output", "output.path", "text",
         "An output in S3, or a prefix of outputs: look for claims there, too.", short="-o"),
    *_named("region", "profile"),
)  # fmt: skip

BENCH: Sequence[Flag] = (
    replace(RUN[0], help="A dataset whose rows are sent both ways; by default, payloads of our own making."),
    *_named("endpoint"),
    Flag("local", "local.enabled", "on", "Against the local AWS, with a simulated network."),
    Flag("input_prefix", "transport.input_prefix", "text",
         "s3://bucket/prefix for the payloads that go via S3."),
    Flag("rate", "bench.rate", "float", "Requests due a second, both ways together.", default="40"),
    Flag("arrivals", "bench.arrivals", "text", "How requests arrive: poisson or constant.", default="poisson",
         choices=("poisson", "constant")),
    Flag("closed", "bench.closed", "int",
         "Closed loop: N rows open at once, the next when one has ended.", metavar="N"),
    Flag("sizes", "bench.sizes", "names", "Payload sizes.", default="1KB,8KB,32KB,64KB,127999,128000"),
    Flag("pairs", "bench.pairs", "int", "Pairs of each size.", default="150"),
    Flag("warmup", "bench.warmup", "int", "Pairs before those that count.", default="60"),
    Flag("seed", "run.seed", "int", "Seed of orders, arrivals and the local AWS.", default="0"),
    *_named("limit", "payload_column", "payload_fields", "content_type", "concurrency", "region", "profile"),
)  # fmt: skip

INFRA: Sequence[Flag] = _named("endpoint", "region", "profile")
"""By which an endpoint is asked about."""


def sections(flags: Iterable[Flag], given: Mapping[str, object]) -> Sections:
    """Return what was `given`, by the names of `flags`, as the sections of a configuration; None says nothing."""
    found: Sections = {}
    for flag in flags:
        value = flag.read(given.get(flag.name))
        if value is not None:
            section, _, key = flag.key.partition(".")
            found.setdefault(section, {})[key] = value
    return found


def from_keywords(flags: Sequence[Flag] = RUN, /, **keywords: object) -> Sections:
    """Return keywords as the sections of a configuration: `rate=200` says what `--rate 200` does.

    Args:
        flags: Whose names are keywords: those of `fanout run`, unless it is another verb.
        keywords: `inputs` takes a path or a list of them; what lists columns takes `"a,b"` or a list.

    Raises:
        UsageError: No flag has the name of a keyword; names the one that was probably meant.
    """
    known = tuple(flag.name for flag in flags)
    for name in keywords:
        if name not in known:
            raise UsageError(f"unknown keyword {name!r}; {did_you_mean(name, known)}")
    return sections(flags, keywords)


def _plain(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value
