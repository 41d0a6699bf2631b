"""Makes what killed runs leave in an account in memory, and looks at what is left of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
from support.in_memory import Account

from fanout.config.model import Config
from fanout.domain.ids import new_run, parse_input_key
from fanout.domain.location import Location
from fanout.domain.queues import SEEN_TAG, filter_policy, instant_tag, queue_name, queue_tags
from fanout.domain.row_ranges import Stripe
from fanout.rundir.begun_uploads import note_upload
from fanout.rundir.identity import claim
from fanout.rundir.journal import Journal
from fanout.rundir.manifest import Manifest, read_manifest
from fanout.rundir.paths import RUNS, RunDirectory

ENDPOINT, BUCKET = "simulated", "simulated"


class LeftBehind:
    """What runs left in `account`, with their directories below `place`."""

    def __init__(self, account: Account, place: Path) -> None:
        self.account = account
        self._place = place
        self.shard_run = ""

    def directory(self, run: str) -> RunDirectory:
        return RunDirectory(self._place / RUNS / run)

    def output_key(self, run: str) -> str:
        return f"outputs/{run}.parquet"

    def run(
        self,
        *,
        silent_s: float = 60.0,
        directory: bool = True,
        endpoint: str = ENDPOINT,
        keep_inputs: bool = False,
        local: bool = False,
        bucket: str = BUCKET,
        notes_id: bool = True,
    ) -> str:
        """Leave a run behind: a queue with two subscriptions, a payload, an upload of another, and one of its output.

        Args:
            silent_s: How long ago it has said that it lives.
            directory: Whether its directory can be seen.
            endpoint: Its endpoint.
            keep_inputs: Whether it was asked to keep its payloads.
            local: Whether its AWS was a local one.
            bucket: Where its directory says that its payloads are.
            notes_id: Whether it lived long enough to note the id of its output's upload.
        """
        run, cloud, now = new_run(), self.account.cloud, self.account.clock.now()
        settings = self.account.world.settings
        tags = queue_tags(run, endpoint=endpoint, created_at=now - silent_s, version="1")

        async def open_queue() -> None:
            await cloud.control.open_run_queue(run, [settings.success_topic, settings.error_topic], tags=tags)

        anyio.run(open_queue)
        self.account.world.queues.tag(queue_name(run), {SEEN_TAG: instant_tag(now - silent_s)})
        self.put(f"inputs/2c/{run}/300", age_s=silent_s)
        self.begin(f"inputs/05/{run}/5", age_s=silent_s)
        if not directory:
            self.begin(self.output_key(run), age_s=silent_s)
        else:
            made = self.directory(run)
            made.create()
            Journal(made.journal).close()
            claim(made)
            config = Config.model_validate(
                {
                    "endpoint": {"name": endpoint},
                    "input": {"paths": [str(self._place / "in.jsonl")]},
                    "output": {"path": f"s3://{BUCKET}/{self.output_key(run)}"},
                    "transport": {"input_prefix": f"s3://{bucket}/inputs", "keep_inputs": keep_inputs},
                    "local": {"enabled": local},
                }
            )
            Manifest(run, config, "fingerprint", endpoint).write(made.manifest)
            place = Location(BUCKET, self.output_key(run))
            note_upload(made, place, None)
            upload = self.begin(place.key)
            if notes_id:
                note_upload(made, place, upload)
        return run

    def shard(self, run: str) -> RunDirectory:
        """Leave a shard of a run behind, whose directory is returned; `shard_run` is its id."""
        self.shard_run = self.run()
        directory = self.directory(run).shard(0)
        directory.path.parent.mkdir(parents=True)
        self.directory(self.shard_run).path.rename(directory.path)
        manifest = read_manifest(directory)
        replace(manifest, stripe=Stripe(0, 2)).write(directory.manifest)
        whole = read_manifest(self.directory(run))
        config = whole.config.model_copy(update={"run": whole.config.run.model_copy(update={"processes": 2})})
        replace(whole, config=config).write(self.directory(run).manifest)
        return directory

    def put(self, key: str, *, age_s: float) -> None:
        now = self.account.clock.now()
        self.account.world.objects.put(BUCKET, key, b"payload", content_type=None, now=now - age_s)

    def begin(self, key: str, *, age_s: float = 0.0) -> str:
        now = self.account.clock.now()
        return self.account.world.objects.create_multipart(BUCKET, key, content_type=None, now=now - age_s)

    def subscribe(self, run: str, queue_arn: str) -> None:
        world = self.account.world
        attributes = {"FilterPolicy": filter_policy(run), "FilterPolicyScope": "MessageBody"}
        world.topics.subscribe(world.settings.success_topic, queue_arn, attributes=attributes)

    def subscriptions(self, run: str) -> list[str]:
        found = self.account.world.topics.list_subscriptions()
        return [each.arn for each in found if each.queue_arn.endswith(queue_name(run))]

    def remains(self, run: str) -> int:
        """Return how many things are left of a run."""
        queues, subscriptions, objects, uploads = self.everything()
        payloads = [key for key in objects if (parse_input_key(key, "inputs") or ("",))[0] == run]
        return (
            len([name for name in queues if run in name])
            + len([arn for arn, queue in subscriptions if run in queue])
            + len(payloads)
            + len([key for key, _ in uploads if run in key])
        )

    def everything(self) -> tuple[list[str], list[tuple[str, str]], list[str], list[tuple[str, str]]]:
        """Return all queues, subscriptions, keys and uploads of the account."""
        world = self.account.world
        uploads, _ = world.objects.uploads(BUCKET, "")
        return (
            sorted(world.queues.names),
            sorted((each.arn, each.queue_arn) for each in world.topics.list_subscriptions()),
            [key for key, _ in world.objects.list(BUCKET, "").entries],
            [(key, upload) for key, upload, _ in uploads],
        )
