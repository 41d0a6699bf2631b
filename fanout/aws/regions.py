"""Names the regions where InvokeEndpointAsync takes the payload in the request; elsewhere a run goes via S3."""

from __future__ import annotations

INLINE_REGIONS = frozenset(
    {
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1", "mx-central-1"),
        *("sa-east-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-central-2", "eu-north-1"),
        *("eu-south-1", "eu-south-2", "il-central-1", "af-south-1", "ap-south-1", "ap-south-2", "ap-east-1"),
        *("ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-southeast-1"),
        *("ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-7"),
    }
)
"""The 31 commercial regions of AWS's launch post for inline payloads, which names them by airport code."""
