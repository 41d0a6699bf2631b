"""Says what each term of a report means, for the margin of the section that uses it."""

from __future__ import annotations

from collections.abc import Mapping

TERMS: Mapping[str, Mapping[str, str]] = {
    "provenance": {
        "default": "set by no flag, no variable and no line of the TOML file",
        "not shown": "what is handed to the model, tags, and passwords in addresses stay out of outputs and reports",
    },
    "gates": {
        "gate": "a condition of --fail-if: exit code 3 if it holds, or if nothing of its kind was measured",
        "baseline": "an earlier experiment; beyond chance means that the interval of the change leaves out zero",
    },
    "experiment": {
        "pair": "one payload, sent inline and via S3 as neighbours in time, in an order that a coin decides",
        "inline saves": "the median of the pairs' differences, S3 minus inline",
        "95 % interval": "where the median lies, by the bootstrap; one that holds zero tells no sign",
        "raw": "the total without the wait, as a tool measures it that starts its clock when it sends",
        "warm-up": "the first pairs: sent and paid for, and in no latency",
    },
    "compared": {
        "then, now": "the earlier run, and this one",
        "pairs": "rows that succeeded by the same transport in both; the change is the median of their differences",
        "alike": "the interval holds zero: the two may be equal",
    },
    "outcomes": {
        "succeeded": "its output was fetched",
        "invalid": "the model answered, and its response lacks what [output.fields] asks for",
        "failed": "the model failed it, or its output cannot be read",
        "expired": "SageMaker said that it was not served in time",
        "rejected": "it was never accepted: bad input, or refused",
        "unsettled": "accepted, and neither an output nor a proof of its failure exists",
        "unknown": "nothing tells whether it was accepted",
        "noticed by": "how fanout learnt of the result: by a message (sqs), or by listing S3 (list)",
        "sent again": "sent while an earlier request might have been accepted: the row may have been served twice",
    },
    "client": {
        "due": "when the pacing, or the plan of an experiment, let a row go",
        "late": "left more than 10 ms after it was due: less is the timers and threads of this machine",
        "window": "rows that may be in flight at once: sent, and not ended",
        "throttled": "replies that said to slow down",
    },
    "time": {
        "in flight": "sent, and not ended",
        "cold start": "the first tenth of the rows is slower than the others, beyond chance and by a fifth at least",
        "drift": "the last tenth against the second, likewise",
    },
    "latency": {
        "p50, p90, p99, p99.9": "that share of the rows took at most so long; p99.9 needs 1,000 rows or more",
        "wait": "from when a row was due until its only request left: what this client, or its limits, cost",
        "retry": "from when it was due until its last request left, where an earlier one had: a failure of the model, "
        "a reply that was lost",
        "upload": "to S3, of a payload that does not go inline",
        "invoke": "from the request until SageMaker accepted it",
        "service": "on SageMaker's clock: its queue, then the model",
        "notify": "from there until the message came; it spans two clocks and may be below zero",
        "fetch": "from then until the output was read from S3",
        "total": "from when it was due, or its upload began, until its output was here",
    },
    "slowest": {"inference id": "by which the logs of SageMaker and of the model know the request"},
    "cost": {
        "requests": "each row's by the price table: calls to S3, SNS and SQS, by SageMaker and by this client",
    },
}
"""By the section's name, then by the term."""
