"""Names the columns that every output has beside the input's; `output.schema` gives them their types."""

from __future__ import annotations

OWN_COLUMNS = (
    "row", "id", "status", "transport", "payload_bytes", "attempts", "possible_attempts", "resends", "inference_id",
    "input_location", "output_location", "failure_location", "response", "response_content_type", "error_code",
    "error_message", "due_at", "sent_at", "accepted_at", "received_at", "completed_at", "notified_at",
    "collected_at", "fetched_at", "ended_at", "wait_ms", "upload_ms", "invoke_ms", "service_ms", "notify_ms",
    "fetch_ms", "total_ms", "noticed_by",
)  # fmt: skip
"""In their order; passthrough columns stand after `id`, fields of responses after the last."""


def own_column(name: str) -> str | None:
    """Return the column of ours that DuckDB, Spark and Athena take `name` for: they make no difference of case."""
    folded = name.casefold()
    return next((column for column in OWN_COLUMNS if column.casefold() == folded), None)
