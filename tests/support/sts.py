"""A profile that assumes a role, and what STS answers."""

from __future__ import annotations

ASSUMED = (
    b"<AssumeRole{kind}Response><AssumeRole{kind}Result><Credentials><AccessKeyId>ASSUMED</AccessKeyId>"
    b"<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
    b"<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRole{kind}Result></AssumeRole{kind}Response>"
)
ROLE = "arn:aws:iam::123456789012:role/r"
PROFILE = f"""[profile p]
role_arn = {ROLE}
source_profile = base
[profile base]
aws_access_key_id = A
aws_secret_access_key = hush
"""


def assumed(kind: str = "") -> bytes:
    return ASSUMED.replace(b"{kind}", kind.encode())
