"""Open rows against a model of them: any order of sends, replies, notices, turns, releases and commits."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.examples import examples

from fanout.domain.ids import inference_id, output_extension, output_filename
from fanout.domain.location import Location
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Inline, Notice, Options, Record, Reply, Staged, Upload
from fanout.engine.open_row import RECEIPTS_MAX, Claim, OpenRow, State
from fanout.engine.open_rows import OpenRows
from fanout.engine.row_counts import OpenRowsStatistics

RUN = "abcdefghij"
SLACK_S = 60.0
PATIENCE_S = 100 + 50 + SLACK_S
WAITING = {State.ACCEPTED, State.UNCERTAIN, State.REQUEUED, State.REINTENDED}
IN_FLIGHT = {State.SENT, State.RESENT}
NOT_RECEIVED = {State.UPLOADING, State.QUEUED, State.INTENDED, State.DEFERRED}
UNCERTAIN = {State.UNCERTAIN, State.REQUEUED, State.REINTENDED}
ENDING = {State.CLAIMED, State.INTENDED, State.REINTENDED, State.ACCEPTED, State.UNCERTAIN}
NEXT = {
    State.QUEUED: State.INTENDED,
    State.REQUEUED: State.REINTENDED,
    State.INTENDED: State.SENT,
    State.REINTENDED: State.RESENT,
}
BACK = {State.SENT: State.INTENDED, State.RESENT: State.REINTENDED}


@dataclass
class Row:
    """What the model knows of a row."""

    entry: OpenRow
    upload: Location | None
    state: State = State.QUEUED
    generation: int = 0
    sends: int = 0
    sends_before: int = 0
    """Those of earlier generations."""
    resends: int = 0
    left: int = 0
    """Attempts under which a request has left."""
    again: int = 0
    """Those of them that left while an earlier one might have been received."""
    owed: int = 0
    """1 if no object proved the failure of the generation before: the next request is a re-send."""
    turn_at: float | None = None
    """When it is to be looked for or sent again."""
    accepted_at: float | None = None
    deadline: float | None = None
    awaited: bool = False
    """Its deadline is still to be reported."""
    early: Notice | None = None
    owned: bool = False
    """A notice won it and has not given it back."""
    receipts: list[str] = field(default_factory=list)


class OpenRowsMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        path = "s3://bucket/out"
        self.open_rows = OpenRows(
            RUN,
            outputs=OutputPaths(RUN, path=path),
            failures=OutputPaths(RUN, path="s3://bucket/failed"),
            slack_s=SLACK_S,
        )
        self.now = 1_000.0
        self.open: dict[int, Row] = {}
        self.settled: dict[int, Row] = {}
        self.done: set[int] = set()
        self.next_row = 0
        self.receipts = 0
        self.handed_out: set[str] = set()
        self.resends = self.duplicates = self.strangers = 0

    # Helpers

    def pick(self, data, *states):
        rows = [row for row, model in self.open.items() if model.state in states]
        return self.open[data.draw(st.sampled_from(rows))]

    def expect(self, model, deadline):
        model.deadline, model.awaited = deadline, True

    def overtaken(self, model, claimed):
        """The row is claimed by the notice that came while it was in flight: exactly that one, and once."""
        assert claimed == (model.early is not None)
        if claimed:
            assert model.entry.notice is model.early
            model.early = None
            self.win(model)

    def win(self, model):
        assert not model.owned, "a row was won twice"
        model.owned = True
        model.state, model.turn_at = State.CLAIMED, None

    def has(self, *states):
        return any(model.state in states for model in self.open.values())

    # Rows come in

    @precondition(lambda self: len(self.open) < 4)  # few rows, so that each goes through much
    @rule(uploaded=st.booleans(), wait=st.sampled_from([0.0, 0.1, 7.0]), rejected=st.integers(0, 1))
    def admit(self, uploaded, wait, rejected=0):
        self.now += wait
        for _ in range(rejected):  # rows that are never open
            self.open_rows.seen(self.next_row)
            self.done.add(self.next_row)
            self.next_row += 1
        row = self.next_row
        self.next_row += 1
        upload = Location("bucket", f"in/{row}") if uploaded else None
        record = Record(row, f"id-{row}", b"12345", Options(ttl_s=100, invocation_timeout_s=50))
        item = Upload(record.options, b"12345", upload) if upload else Inline(record.options, b"12345")
        entry = self.open_rows.admit(record, item, upload=upload)
        assert (entry.number, entry.payload_bytes, entry.patience_s) == (row, 5, PATIENCE_S)
        self.open[row] = Row(entry, upload, State.UPLOADING if upload else State.QUEUED)

    @precondition(lambda self: self.has(State.UPLOADING))
    @rule(data=st.data())
    def upload(self, data):
        model = self.pick(data, State.UPLOADING)
        assert self.open_rows.uploaded(model.entry, model.upload, started=self.now, now=self.now + 1.0)
        assert model.entry.item == Staged(model.entry.item.options, model.upload.uri)
        model.state = State.QUEUED

    @initialize(count=st.integers(0, 3))
    def begin_in_the_middle(self, count):
        for _ in range(count):
            self.admit(uploaded=False, wait=1.0)
        for model in self.open.values():
            self.intend_row(model)
            self.send_row(model, late=0.5)

    # Requests

    @precondition(lambda self: self.has(State.QUEUED, State.REQUEUED))
    @rule(data=st.data())
    def intend(self, data):
        self.intend_row(self.pick(data, State.QUEUED, State.REQUEUED))

    def intend_row(self, model):
        assert self.open_rows.attempt(model.entry)
        assert not self.open_rows.may_send(model.entry)
        assert self.open_rows.intend(model.entry)
        if (
            model.left == model.sends
        ):  # else the one before was overtaken by a notice: its number is still to be used
            model.sends += 1
            model.resends += model.state is State.REQUEUED
        model.state = NEXT[model.state]

    @precondition(lambda self: any(m.state not in {State.QUEUED, State.REQUEUED} for m in self.open.values()))
    @rule(data=st.data())
    def intend_what_is_not_queued(self, data):
        """It was queued twice, or a notice has claimed it meanwhile."""
        others = set(State) - {State.QUEUED, State.REQUEUED}
        entry = self.pick(data, *others).entry
        assert not self.open_rows.attempt(entry)
        assert not self.open_rows.intend(entry)

    @precondition(lambda self: self.has(State.INTENDED, State.REINTENDED))
    @rule(data=st.data(), late=st.sampled_from([0.0, 0.5]))
    def send(self, data, late):
        self.send_row(self.pick(data, State.INTENDED, State.REINTENDED), late=late)

    def send_row(self, model, *, late):
        first_due = model.entry.due_at
        due = self.now
        self.now += late
        again = int(model.left < model.sends and model.state is State.REINTENDED) or model.owed
        self.resends += again
        model.again += again
        model.owed = 0
        model.left = model.sends
        sent_as = self.open_rows.send(model.entry, due=due, now=self.now)
        model.state = NEXT[model.state]
        assert sent_as == inference_id(
            RUN, model.entry.number, generation=model.generation, attempt=model.sends
        )
        assert model.entry.sent_at == self.now
        assert model.entry.due_at == (due if first_due is None else first_due)  # measured from the first due

    @precondition(lambda self: self.has(*IN_FLIGHT))
    @rule(data=st.data(), took=st.sampled_from([0.0, 0.2]), astray=st.booleans())
    def accept(self, data, took, astray):
        model = self.pick(data, *IN_FLIGHT)
        self.now += took
        row = model.entry.number
        place = f"{output_extension(RUN, row)}/{output_filename(row, model.generation)}"
        output = Location("bucket", f"elsewhere/{row}" if astray else f"out/{place}")
        failure = Location("bucket", f"failed/{place}")
        reply = Reply("the id of the send", output.uri, failure.uri)
        claimed = self.open_rows.accept(model.entry, reply, now=self.now)
        model.state, model.accepted_at = State.ACCEPTED, self.now
        self.expect(model, self.now + PATIENCE_S)
        self.overtaken(model, claimed)
        places = self.open_rows.places
        assert (places.output(model.entry), places.failure(model.entry)) == (output, failure)

    @precondition(lambda self: self.has(*IN_FLIGHT))
    @rule(data=st.data())
    def unsend(self, data):
        """Refused or never received: an earlier attempt may still be with the endpoint, this one is made again."""
        model = self.pick(data, *IN_FLIGHT)
        claimed = self.open_rows.unsend(model.entry)
        if model.state is State.SENT:  # nothing was received: a notice of it is forged
            assert not claimed
            model.early = None
        model.state = BACK[model.state]
        self.overtaken(model, claimed)

    @precondition(lambda self: self.has(*IN_FLIGHT))
    @rule(data=st.data(), took=st.sampled_from([0.0, 60.0]))
    def doubt(self, data, took):
        model = self.pick(data, *IN_FLIGHT)
        self.now += took
        claimed = self.open_rows.doubt(model.entry, now=self.now)
        model.state = State.UNCERTAIN
        self.expect(model, self.now + PATIENCE_S)
        self.overtaken(model, claimed)
        row = model.entry.number
        place = f"{output_extension(RUN, row)}/{output_filename(row, model.generation)}"
        assert self.open_rows.places.output(model.entry) == Location("bucket", f"out/{place}")

    # Turns

    @precondition(lambda self: self.has(State.UNCERTAIN, State.REINTENDED, State.DEFERRED))
    @rule(data=st.data(), wait=st.sampled_from([0.0, 5.0, 1_000.0]))
    def defer(self, data, wait):
        """A turn instead of any other; a re-send that was refused has its attempt no longer."""
        model = self.pick(data, State.UNCERTAIN, State.REINTENDED, State.DEFERRED)
        self.open_rows.defer(model.entry, until=self.now + wait)
        model.turn_at = self.now + wait
        if model.state is State.REINTENDED:
            model.state = State.UNCERTAIN

    @precondition(lambda self: self.has(State.INTENDED, State.REINTENDED))
    @rule(data=st.data(), via_s3=st.booleans())
    def refuse_inline(self, data, via_s3):
        """The endpoint refused the payload in the request: the row is deferred, and may go via S3 from then on."""
        model = self.pick(data, State.INTENDED, State.REINTENDED)
        entry, held = model.entry, self.open_rows.held_bytes
        if via_s3 and isinstance(entry.item, Inline):
            model.upload = Location("bucket", f"in/{entry.number}")
            item = Upload(entry.item.options, entry.item.payload, model.upload)
            entry.take_way_via_s3(item, upload=model.upload)
            assert (entry.item, entry.transport) == (item, "s3")
        self.open_rows.refuse_inline(entry)
        assert self.open_rows.held_bytes == held, "it keeps its payload"
        if model.state is State.INTENDED:
            model.state = State.DEFERRED

    @rule(wait=st.sampled_from([0.0, 5.0, 1_000.0]))
    def take_turns(self, wait):
        self.now += wait
        due = [m for m in self.open.values() if m.turn_at is not None and m.turn_at <= self.now]
        found = self.open_rows.deferrals.due(self.now)
        assert sorted(entry.number for entry in found) == sorted(model.entry.number for model in due)
        assert self.open_rows.deferrals.due(self.now) == []
        for model in due:
            model.turn_at = None

    @precondition(lambda self: self.has(State.UNCERTAIN, State.DEFERRED))
    @rule(data=st.data())
    def requeue(self, data):
        model = self.pick(data, State.UNCERTAIN, State.DEFERRED)
        self.open_rows.requeue(model.entry)
        model.state = State.QUEUED if model.state is State.DEFERRED else State.REQUEUED
        model.turn_at = None

    # Notices

    def notice(self, row, *, generation, attempt, completed):
        receipt = None
        if attempt is not None:
            self.receipts += 1
            receipt = f"receipt-{self.receipts}"
        by = "list" if attempt is None else "sqs"
        return Notice(row, generation, attempt, completed, by, self.now, receipt=receipt)

    def heard_of(self):
        """Rows that may have been received in this generation; some certainly were not."""
        return [
            row
            for row, model in self.open.items()
            if model.sends > model.sends_before and model.state not in NOT_RECEIVED
        ]

    @precondition(lambda self: self.heard_of())
    @rule(data=st.data(), completed=st.booleans())
    def claim(self, data, completed):
        model = self.open[data.draw(st.sampled_from(self.heard_of()))]
        attempt = data.draw(st.integers(model.sends_before + 1, model.sends))
        notice = self.notice(
            model.entry.number, generation=model.generation, attempt=attempt, completed=completed
        )
        claim = self.open_rows.claim(notice)
        model.receipts.append(notice.receipt)
        if model.state is State.CLAIMED or model.early is not None:
            assert claim is Claim.PENDING
            self.duplicates += 1
        elif model.state in IN_FLIGHT:
            assert claim is Claim.EARLY
            model.early = notice
        else:
            assert claim is Claim.WON
            self.win(model)
        del model.receipts[:-RECEIPTS_MAX]

    @precondition(lambda self: self.has(*WAITING))
    @rule(data=st.data(), completed=st.booleans())
    def find(self, data, completed):
        """The reconciler claims what it found, after it has asked."""
        model = self.pick(data, *WAITING)
        notice = self.notice(
            model.entry.number, generation=model.generation, attempt=None, completed=completed
        )
        place = Location("bucket", f"somewhere/{model.entry.number}")
        assert self.open_rows.found(notice, place) is model.entry
        places = self.open_rows.places
        assert (places.output if completed else places.failure)(model.entry) == place
        assert self.open_rows.found(notice, place) is None
        self.duplicates += 1
        self.win(model)

    @rule(data=st.data(), wrong=st.sampled_from(["row", "generation", "attempt", "both"]))
    def claim_what_was_never_sent(self, data, wrong):
        if wrong == "row" or not self.open:
            row, generation, attempt = self.next_row + data.draw(st.integers(0, 10**12)), 0, 1
        else:
            row = data.draw(st.sampled_from(list(self.open)))
            model = self.open[row]
            others = st.integers(0, model.generation + 3).filter(lambda number: number != model.generation)
            generation = model.generation if wrong == "attempt" else data.draw(others)
            beyond = wrong != "generation"
            attempt = model.sends + data.draw(st.integers(1, 3)) if beyond else max(1, model.sends)
        notice = self.notice(row, generation=generation, attempt=attempt, completed=True)
        assert self.open_rows.claim(notice) is Claim.STRANGER
        self.strangers += 1

    @precondition(lambda self: self.settled or self.done)
    @rule(data=st.data())
    def claim_a_row_that_has_ended(self, data):
        row = data.draw(st.sampled_from([*self.settled, *sorted(self.done)]))
        model = self.settled.get(row)
        generation, attempt = (model.generation, max(1, model.sends)) if model else (0, 1)
        notice = self.notice(row, generation=generation, attempt=attempt, completed=True)
        if model and not model.sends:  # rejected before it was sent
            assert self.open_rows.claim(notice) is Claim.STRANGER
            self.strangers += 1
            return
        assert self.open_rows.claim(notice) is (Claim.PENDING if model else Claim.DONE)
        self.duplicates += 1
        if model:
            model.receipts.append(notice.receipt)
            del model.receipts[:-RECEIPTS_MAX]

    # Results

    @precondition(lambda self: self.has(State.CLAIMED))
    @rule(data=st.data())
    def release(self, data):
        """Whatever was claimed, the row waits as long as it would have without."""
        model = self.pick(data, State.CLAIMED)
        self.open_rows.release(model.entry)
        model.owned = False
        model.state = State.ACCEPTED if model.accepted_at is not None else State.UNCERTAIN
        if model.deadline is not None:
            self.expect(model, model.deadline)

    @precondition(lambda self: self.has(State.CLAIMED, State.ACCEPTED))
    @rule(data=st.data(), resends=st.integers(0, 1))
    def fail_and_try_again(self, data, resends):
        model = self.pick(data, State.CLAIMED, State.ACCEPTED)
        self.open_rows.regenerate(model.entry, resends=resends)
        model.state, model.owned = State.DEFERRED, False
        model.generation += 1
        if model.left < model.sends:
            model.sends, model.resends = model.left, model.again
        model.resends += resends
        model.owed = resends
        model.sends_before = model.sends
        model.accepted_at = model.deadline = None
        assert model.entry.generation == model.generation
        assert model.entry.output is None
        assert model.entry.failure is None

    @precondition(lambda self: self.has(*ENDING))
    @rule(data=st.data())
    def settle(self, data):
        model = self.pick(data, *ENDING)
        self.open_rows.settle(model.entry)
        del self.open[model.entry.number]
        self.settled[model.entry.number] = model
        model.state = State.SETTLED

    @precondition(lambda self: self.settled)
    @rule(data=st.data())
    def commit(self, data):
        rows = data.draw(st.lists(st.sampled_from(list(self.settled)), unique=True, min_size=1))
        rejected = sorted(self.done)[:1]  # a part holds rejected rows too; so may a second commit
        receipts, uploads = self.open_rows.durable([*rejected, *rows])
        gone = [self.settled.pop(row) for row in rows]
        assert sorted(receipts) == sorted(receipt for model in gone for receipt in model.receipts)
        assert sorted(uploads) == sorted(model.upload for model in gone if model.upload is not None)
        assert self.handed_out.isdisjoint(receipts)
        self.handed_out.update(receipts)
        self.done.update(rows)
        assert self.open_rows.durable(rows) == ([], [])

    # Time

    @rule(wait=st.sampled_from([0.0, 60.0, PATIENCE_S, 1_000.0]))
    def look_for_the_overdue(self, wait):
        self.now += wait
        due = [
            model
            for model in self.open.values()
            if model.state in WAITING and model.awaited and model.deadline <= self.now
        ]
        found = self.open_rows.deadlines.overdue(self.now)
        deadlines = {model.entry.number: model.deadline for model in due}
        assert sorted(entry.number for entry in found) == sorted(deadlines)
        assert [deadlines[entry.number] for entry in found] == sorted(deadlines.values())
        for model in due:
            model.awaited, model.deadline = False, None
        assert self.open_rows.deadlines.overdue(self.now) == []

    @rule()
    def ask_for_the_next_deadline(self):
        """A rule and no invariant: asking drops what is stale, and a bug could hide behind that."""
        awaited = [model.deadline for model in self.open.values() if model.state in WAITING and model.awaited]
        assert self.open_rows.deadlines.next() == min(awaited, default=None)

    # What always holds

    @invariant()
    def statistics_count_what_is_there(self):
        def count(*states):
            return sum(model.state in states for model in self.open.values())

        assert self.open_rows.statistics() == OpenRowsStatistics(
            open=len(self.open),
            in_flight=count(*IN_FLIGHT),
            accepted=count(State.ACCEPTED),
            claimed=count(State.CLAIMED),
            unknown=count(*UNCERTAIN),
            undurable=len(self.settled),
            resends=self.resends,
            duplicates=self.duplicates,
            strangers=self.strangers,
        )
        assert len(self.open_rows) == len(self.open)
        turns = [model.turn_at for model in self.open.values() if model.turn_at is not None]
        assert len(self.open_rows.deferrals) == len(turns)
        assert self.open_rows.deferrals.next() == min(turns, default=None)
        held = sum(len(getattr(model.entry.item, "payload", b"")) for model in self.open.values())
        assert self.open_rows.held_bytes == held
        assert self.open_rows.counts.busy == count(*IN_FLIGHT, State.ACCEPTED, State.CLAIMED)
        assert self.open_rows.rows_seen == self.next_row

    @invariant()
    def entries_say_what_happened_to_them(self):
        for row, model in self.open.items():
            entry = model.entry
            assert self.open_rows.get(row) is entry
            assert (entry.state, entry.sends, entry.resends) == (model.state, model.sends, model.resends)
            outcome = self.open_rows.outcome(entry, status="failed")
            said = (outcome.attempts, outcome.possible_attempts, outcome.resends)
            assert said == (model.left, 0, model.again), "what left is told, and nothing else"
            assert (entry.generation, entry.accepted_at) == (model.generation, model.accepted_at)
            assert self.open_rows.awaits(row, model.generation) == (model.state in WAITING)
            assert not self.open_rows.awaits(row, model.generation + 1)

    @invariant()
    def those_who_wait_are_known(self):
        waiting = [model.entry for model in self.open.values() if model.state in WAITING]
        assert list(self.open_rows.waiting()) == waiting
        since = [entry.accepted_at if entry.accepted_at is not None else entry.sent_at for entry in waiting]
        assert self.open_rows.oldest_wait() == (since[0] if since else None)


OpenRowsMachine.TestCase.settings = settings(
    max_examples=examples(100),
    stateful_step_count=50,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
)
TestOpenRows = OpenRowsMachine.TestCase
