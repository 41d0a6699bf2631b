"""A run outlives its keys: all that it does in AWS goes on with new ones, over HTTP against the simulator.

By hand, with keys that live as long as the shortest that STS gives out may:
`fanout simulate --set verify_signatures=true --set session_s=45`, and a `credential_process` that reads
`/_simulator/credentials`.
"""

from __future__ import annotations

import json
import os
import sys

import pyarrow.parquet as pq
import pytest
from support.simulator_http import serving

import fanout
from fanout.aws import credentials
from fanout.config.load import load_config
from fanout.simulator.http.sigv4 import Identity, Refusal, SignatureRefused

LIVES_S = 1.5
ROWS, RATE = 100, 20.0
"""More than three times as long as the keys live."""


@pytest.fixture
def served(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("AWS_", "FANOUT_"))]:
        monkeypatch.delenv(name)
    with serving(session_s=LIVES_S, buckets=["simulated"]) as served:
        script = tmp_path / "keys.py"
        url = f"{served.url}/_simulator/credentials"
        script.write_text(f"import urllib.request\nprint(urllib.request.urlopen({url!r}).read().decode())\n")
        (tmp_path / "config").write_text(
            f"[default]\nregion = us-east-1\ncredential_process = {sys.executable} {script}\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_ENDPOINT_URL", served.url)
        # In proportion: keys that live for 45 s are fetched again after 30.
        monkeypatch.setattr(credentials, "AGAIN_AFTER_S", LIVES_S / 1.5)
        monkeypatch.setattr(credentials, "AGAIN_AFTER_EXPIRY_S", 0.05)
        yield served


@pytest.mark.parametrize("client", ["wire", pytest.param("aiobotocore", marks=pytest.mark.campaign)])
def test_a_run_that_takes_as_long_as_three_keys_live_ends_as_any_other(served, tmp_path, client):
    lines = "\n".join(json.dumps({"n": n, "text": "x" * 50}) for n in range(ROWS)).encode()
    served.world.objects.put("simulated", "day/rows.jsonl", lines, content_type=None, now=0.0)
    used = []
    check = Identity.check_token

    def noting(identity, token, *, now):
        used.append((now, token))
        check(identity, token, now=now)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Identity, "check_token", noting)
        summary = fanout.run(
            load_config(
                flags={
                    "endpoint": {"name": "simulated"},
                    "input": {"paths": ["s3://simulated/day/"]},
                    "output": {"path": "s3://simulated/answers.parquet", "part_s": 0.5},
                    "transport": {"mode": "s3", "input_prefix": "s3://simulated/in", "client": client},
                    "pacing": {"rate": RATE},
                    "run": {"dir": "s3://simulated/runs/", "scratch": str(tmp_path / "scratch")},
                }
            )
        )
    assert (summary.rows, summary.by_status, summary.resends) == (ROWS, {"succeeded": ROWS}, 0)
    (began_at, first), (ended_at, last) = used[0], used[-1]
    assert ended_at - began_at > 3 * LIVES_S
    assert len({token for _, token in used}) > 3
    with pytest.raises(SignatureRefused) as refused:
        check(served.server.identity, first, now=ended_at)
    assert (refused.value.refusal, first != last) == (Refusal.EXPIRED, True)
    stored = tmp_path / "stored.parquet"
    stored.write_bytes(served.world.objects.find("simulated", "answers.parquet").body)
    assert pq.read_metadata(stored).num_rows == ROWS
