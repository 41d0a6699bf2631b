"""What metrics count, against the output file's own arithmetic."""

from __future__ import annotations

import json
import random
from collections import Counter

import pyarrow as pa
import pytest
from support.parts import to_table

from fanout.domain.records import Outcome
from fanout.observability.metrics.fold import PHASES, Fold

from .conftest import T0


def random_outcome(rng, row):
    """An outcome with any combination of phases, uploads before and after the row was due among them."""

    def later(instant, share=0.9):
        return None if instant is None or rng.random() > share else instant + rng.lognormvariate(-3, 2)

    due = None if rng.random() < 0.1 else T0 + rng.random()
    uploading = T0 + rng.random() if rng.random() < 0.4 else None
    uploaded = None if uploading is None else uploading + rng.random()
    sent = later(due, 0.95)
    received = later(sent)
    completed = later(received) if rng.random() < 0.8 else later(sent)
    notified = None if completed is None else completed + rng.uniform(-0.1, 1)  # two clocks
    collected = later(notified)
    return Outcome(
        row=row,
        id=None,
        passthrough=(),
        status=rng.choice(["succeeded", "failed", "expired", "rejected", "unsettled", "unknown"]),
        transport=rng.choice(["inline", "s3", "existing", None]),
        payload_bytes=rng.randrange(1000),
        response=rng.choice([None, b"", b"x" * rng.randrange(1000)]),
        upload_started_at=uploading,
        uploaded_at=uploaded,
        due_at=due,
        sent_at=sent,
        accepted_at=later(sent),
        received_at=received,
        completed_at=completed,
        notified_at=notified,
        collected_at=collected,
        fetched_at=later(collected),
        ended_at=T0 + 5 + rng.random(),
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_fold_agrees_with_the_output_file(seed):
    rng = random.Random(seed)
    outcomes = [random_outcome(rng, row) for row in range(500)]
    fold = Fold()
    for outcome in outcomes:
        fold.add(outcome)
    table = to_table(outcomes, pa.schema([])).to_pylist()
    assert set(fold.lots) == {line["transport"] or "none" for line in table}
    for transport, lot in fold.lots.items():
        rows = [line for line in table if (line["transport"] or "none") == transport]
        assert lot.statuses == Counter(line["status"] for line in rows)
        assert lot.payload_bytes == sum(line["payload_bytes"] for line in rows)
        assert lot.response_bytes == sum(len(line["response"] or b"") for line in rows)
        for phase in PHASES:
            values = [line[f"{phase}_ms"] for line in rows]
            written = [max(value, 0.0) / 1000 for value in values if value is not None]
            seen = lot.phase(phase)
            assert seen.count == len(written), (transport, phase)
            assert seen.sum_s == pytest.approx(sum(written), abs=1e-6 * len(written)), (transport, phase)


def outcome(row, status, **more):
    return Outcome(
        row=row, id=None, passthrough=(), status=status, payload_bytes=3, transport="inline", **more
    )


def test_a_fold_is_replaced_by_what_others_counted():
    parts, whole = [Fold(), Fold()], Fold()
    for row in range(20):
        each = outcome(row, "succeeded", due_at=1.0, sent_at=1.0 + row, accepted_at=2.0 + row, response=b"x")
        parts[row % 2].add(each)
        whole.add(each)
    shown = Fold()
    for _ in range(2):  # again and again: nothing is counted twice
        shown.replace_by([json.loads(json.dumps(part.dump())) for part in parts])
    assert shown.dump() == whole.dump()
    assert shown.lots["inline"].wait.cumulative() == whole.lots["inline"].wait.cumulative()
