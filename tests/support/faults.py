"""Every fault that the local AWS knows, one at a time, as changes of its settings: for the table and the tests."""

from __future__ import annotations

from collections.abc import Mapping

from fanout.simulator.settings import SimulatorSettings

QUICK = {"instances": 2, "concurrency_per_instance": 8, "service_time": {"median_s": 0.2, "sigma": 0.5}}

FAULTS: Mapping[str, Mapping[str, object]] = {
    "none": {},
    "throttled, 50 %": {"faults": {"throttle_share": 0.5}},
    "throttled above 20 a second": {"throttle": {"rate_per_s": 20, "burst": 5}},
    "connection refused, 30 %": {"faults": {"refuse_share": 0.3}},
    "reset before acceptance, 5 %": {"faults": {"reset_before_share": 0.05}},
    "reset after acceptance, 10 %": {"faults": {"reset_after_accept_share": 0.1}},
    "reset after acceptance, 100 %": {"faults": {"reset_after_accept_share": 1.0}},
    "no reply after acceptance, 5 %": {"faults": {"hang_share": 0.05}},
    "a byte of the reply every half second, 5 %": {"faults": {"dribble_share": 0.05}},
    "garbage as reply, 5 %": {"faults": {"garbage_reply_share": 0.05}},
    "500 before acceptance, 20 %": {"faults": {"server_error_share": 0.2}},
    "502 in HTML before acceptance, 20 %": {"faults": {"html_error_share": 0.2}},
    "500 after acceptance, 5 %": {"faults": {"server_error_after_accept_share": 0.05}},
    "202 without a location, 5 %": {"faults": {"reply_without_location_share": 0.05}},
    "202 with a foreign location, 5 %": {"faults": {"reply_foreign_location_share": 0.05}},
    "notifications lost, 0.1 %": {"notifications": {"loss_share": 0.001}},
    "notifications lost, 10 %": {"notifications": {"loss_share": 0.1}},
    "notifications lost, 100 %": {"notifications": {"loss_share": 1.0}},
    "no notifications": {"notifications": {"enabled": False}},
    "each notification three times, shuffled over 5 s": {
        "notifications": {"duplicate_share": 1.0, "copies": 3, "spread_s": 5.0}
    },
    "notifications 60 s late": {"notifications": {"delay_s": 60.0}},
    "notifications before the 202": {
        "notifications": {"early": True},
        "latency": {"runtime": {"median_s": 1.0}},
    },
    "foreign messages, 50 %": {"faults": {"foreign_messages": 0.5}},
    "forged and malformed messages, 50 %": {"faults": {"forged_messages": 0.5}},
    "messages that become visible again after 2 s": {"mailbox_visibility_s": 2},
    "deletions that partly fail, 50 %": {"faults": {"partial_delete_failure_share": 0.5}},
    "S3: SlowDown, 20 %": {"faults": {"s3_slowdown_share": 0.2}},
    "S3: truncated GET, 20 %": {"faults": {"s3_truncated_get_share": 0.2}},
    "S3: objects that can never be read, 5 %": {"faults": {"unreadable_share": 0.05}},
    "S3: 403 for missing objects": {"faults": {"s3_forbidden_for_missing": True}},
    "S3: listing denied, notifications lost": {
        "faults": {"denied": ["ListObjectsV2"], "s3_forbidden_for_missing": True},
        "notifications": {"loss_share": 1.0},
    },
    "the model fails, 10 %": {"failure_share": 0.1},
    "the model fails, endpoint without S3FailurePath": {"failure_share": 0.1, "failure_prefix": None},
    "expired, 5 %": {"faults": {"expired_share": 0.05}},
    "Failed, then Completed, 10 %": {"faults": {"failed_then_completed_share": 0.1}},
    "Completed without an object, 2 %": {"faults": {"complete_without_object_share": 0.02}},
    "empty output, 5 %": {"faults": {"empty_output_share": 0.05}},
    "outputs named by inference id": {"join": "ignored"},
    "payloads in the request refused": {"inline": False},
    "cold start of 120 s": {"instances": 0, "cold_start_s": 120.0},
}
"""Name -> changes of `QUICK`."""


def settings(name: str, *, seed: int = 0) -> SimulatorSettings:
    """Return the local AWS with one fault."""
    return SimulatorSettings.model_validate({**QUICK, "seed": seed, **FAULTS[name]})
