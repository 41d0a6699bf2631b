"""Computes where the endpoint writes the output and the failure of a request.

AWS does not document how S3OutputPath, extension and filename join, so `settings.join` chooses among the variants.
Pure for a seed.
"""

from __future__ import annotations

import random

from fanout.simulator.limits import AsyncRequest
from fanout.simulator.settings import SimulatorSettings


class Paths:
    """Names outputs and failures.

    Args:
        settings: The paths and the way they join.
        rng: Draws the names that a request does not bring.
    """

    def __init__(self, settings: SimulatorSettings, *, rng: random.Random) -> None:
        self._join = settings.join
        self._output_path = settings.output_path
        self._failure_path = settings.failure_path
        self._rng = rng

    def new_id(self) -> str:
        """Return an inference id for a request that brought none: a random UUID."""
        digits = f"{self._rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def locations(self, request: AsyncRequest, inference_id: str) -> tuple[str, str | None]:
        """Return (output location, failure location); the latter None without S3FailurePath."""
        output, failure = self._names(request, inference_id)
        below = f"{request.output_extension.strip('/')}/" if request.output_extension else ""
        if self._join == "ignored":
            below = ""
        return (
            f"{self._output_path}/{below}{output}",
            None if self._failure_path is None else f"{self._failure_path}/{below}{failure}",
        )

    def _names(self, request: AsyncRequest, inference_id: str) -> tuple[str, str]:
        if self._join == "ignored":
            return f"{inference_id}.out", f"{inference_id}-error.out"
        if request.filename is None:
            name = self.new_id()
            return f"{name}.out", f"{name}-error.out"
        if self._join == "suffixed":
            return f"{request.filename}.out", f"{request.filename}-error.out"
        return request.filename, request.filename
