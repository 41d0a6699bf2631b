"""The ways between the stages, for tests of one stage: what it had done with its rows is in lists."""

from __future__ import annotations

from fanout.concurrency.channel import Channel


class RecordingFlow:
    """`engine.flow.Flow` that does nothing but note what was asked of it."""

    def __init__(self, rows, *, capacity=10_000):
        self.rows = rows
        self.stopping = False
        self.uploads, self.sends, self.fetches = Channel(capacity), Channel(capacity), Channel(capacity)
        self.finished, self.deferred, self.acknowledged = [], [], []
        self.discarded, self.again = [], []
        self.retries, self.seen = False, []

    async def upload(self, row):
        await self.uploads.put(row)

    async def send(self, row):
        await self.sends.put(row)

    async def fetch(self, row):
        await self.fetches.put(row)

    def doubt(self, row, *, more_s=0.0):
        self.deferred.append((row, more_s))

    def finish(self, row, **facts):
        self.finished.append(self.rows.outcome(row, **facts))
        self.rows.settle(row)

    def discard(self, upload):
        self.discarded.append(upload)

    def release(self, row):
        self.rows.release(row)

    def found(self, row, modified_at):
        self.seen.append((row, modified_at))

    def send_after_failure(self, row, text, *, resends=0):
        if self.retries:
            self.rows.regenerate(row, resends=resends)
            self.again.append((row, text, resends))
        return self.retries

    def acknowledge(self, receipts):
        self.acknowledged += receipts

    async def room(self):
        return
