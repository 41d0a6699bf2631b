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

    def acknowledge(self, receipts):
        self.acknowledged += receipts

    async def room(self):
        return
