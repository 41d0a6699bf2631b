"""Names the limits of InvokeEndpointAsync (botocore service model 1.43.117)."""

from __future__ import annotations

INLINE_MAX_BYTES = 128_000  # BodyBlob in the model; bytes, not KiB


STAGED_MAX_BYTES = 1_000_000_000  # "payloads up to 1 GB", asynchronous inference, developer guide


HEADER_MAX = 1024  # Header, CustomAttributesHeader


TTL_S = (60, 21_600)  # RequestTTLSecondsHeader


TIMEOUT_S = (1, 3_600)  # InvocationTimeoutSecondsHeader


LOCATION_MAX = 1024  # InputLocationHeader
