"""A set-up that lacks nothing, on the local AWS over HTTP, of which a test breaks one thing."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

import anyio
import pytest
from support.cli import write_jsonl
from support.raw_server import bare_environment
from support.simulator_http import serving

from fanout.commands.doctor import asking
from fanout.commands.doctor.examine import examine
from fanout.config.load import load_config


class Setup:
    """An account, an environment that leads there, and an input.

    Attributes:
        world: What is behind the account.
        folder: Where input and output are.
    """

    def __init__(self, served, folder, monkeypatch):
        self.served = served
        self.world = served.world
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.environ = {}
        identity = served.server.identity
        self.set(
            AWS_ENDPOINT_URL=served.url,
            AWS_REGION=identity.region,
            AWS_ACCESS_KEY_ID=identity.access_key_id,
            AWS_SECRET_ACCESS_KEY=identity.secret_access_key,
            AWS_SESSION_TOKEN=identity.session_token,
        )
        write_jsonl(folder / "in.jsonl", [{"n": number} for number in range(3)])
        self.flags = {
            "input": {"paths": [str(folder / "in.jsonl")]},
            "endpoint": {"name": "simulated"},
            "output": {"path": str(folder / "out.parquet")},
            "transport": {"input_prefix": "s3://simulated/inputs"},
        }

    def set(self, **variables):
        for name, value in variables.items():
            self.environ[name] = value
            self.monkeypatch.setenv(name, value)

    def without(self, name):
        del self.environ[name]
        self.monkeypatch.delenv(name)

    def change(self, **sections):
        for name, values in sections.items():
            self.flags[name] = {**self.flags.get(name, {}), **values}

    def queue(self, name="shared", **attributes):
        """Make a queue and return its url."""
        self.world.queues.create(name, attributes)
        return f"{self.served.url}/123456789012/{name}"

    def examine(self, *, send=0):
        return anyio.run(partial(examine, load_config(flags=self.flags), environ=self.environ, send=send))

    def left_behind(self):
        """Return what stands in the account and on the disk besides what was there."""
        objects = self.world.objects.statistics()
        subscribed = [
            arn
            for topic in self.world.topics.arns
            for arn in self.world.topics.list_subscriptions_by_topic(topic)
        ]
        files = [path.name for path in self.folder.rglob("*") if path.name not in {"in.jsonl", "aws"}]
        return {
            "queues": [name for name in self.world.queues.names if name.startswith("fanout-")],
            "subscriptions": subscribed,
            "uploads": objects["open_uploads"],
            "files": files,
        }


NOTHING = {"queues": [], "subscriptions": [], "uploads": 0, "files": []}


@pytest.fixture
def setting_up(tmp_path, monkeypatch):
    @contextmanager
    def make(client="wire", **settings):
        bare_environment(monkeypatch, tmp_path / "aws")
        # What is not about time does not depend on how busy the machine is.
        monkeypatch.setattr(asking, "OPTIONAL_WITHIN_S", 30.0)
        with serving(**settings) as served:
            setup = Setup(served, tmp_path, monkeypatch)
            setup.change(transport={"client": client})
            yield setup

    return make
