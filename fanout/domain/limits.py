"""Names the limits of InvokeEndpointAsync (botocore service model 1.43.117)."""

from __future__ import annotations

INLINE_MAX_BYTES = 128_000  # BodyBlob in the model; bytes, not KiB


STAGED_MAX_BYTES = 1_000_000_000  # "payloads up to 1 GB", asynchronous inference, developer guide


RESPONSE_BYTES = 1024**3  # as above, read generously: no limit of a response is documented


RESPONSE_MAX_BYTES = 2_000_000_000  # Parquet: a response is in one page, of fewer than 2**31 bytes


HEADER_MAX = 1024  # Header, CustomAttributesHeader


TTL_S = (60, 21_600)  # RequestTTLSecondsHeader


TIMEOUT_S = (1, 3_600)  # InvocationTimeoutSecondsHeader


LOCATION_MAX = 1024  # InputLocationHeader
