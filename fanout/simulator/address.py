"""Says where a local AWS is and what a client signs with; a light module, for who only passes it on."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SimulatorAddress:
    """What a client must know to use the child; the credentials are its own, made for this one start."""

    url: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    endpoint: str
    account_id: str
    input_bucket: str
    output_bucket: str
    success_topic: str | None
    error_topic: str | None
    pid: int
