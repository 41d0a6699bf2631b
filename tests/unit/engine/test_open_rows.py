"""Open rows by example: what a row goes through, which notice claims it, and until when it is waited for."""

from __future__ import annotations

import dataclasses

import pytest

from fanout.domain.location import Location
from fanout.domain.notifications import UNCONFIRMED_TEXT_MAX
from fanout.domain.output_paths import AS_EXPECTED, OutputPaths
from fanout.domain.records import Inline, Notice, Options, Record, Reply, Staged, Upload
from fanout.domain.row_state import RowRecord, RowState
from fanout.engine.open_row import NOT_RECEIVED, RECEIPTS_MAX, TRANSITIONS, WAITING, Claim, State
from fanout.engine.open_rows import OpenRows

RUN = "abcdefghij"
PATIENCE_S = 21_600 + 900 + 60.0  # RequestTTLSeconds, InvocationTimeoutSeconds, slack


@pytest.fixture
def open_rows():
    return OpenRows(
        RUN,
        outputs=OutputPaths(RUN, path="s3://bucket/out"),
        failures=OutputPaths(RUN, path="s3://bucket/failed"),
    )


def admit(open_rows, row=0, *, options=None, payload=b"12345"):
    options = options or Options()
    record = Record(row, f"id-{row}", payload, options, passthrough=("k",))
    return open_rows.admit(record, Inline(options, payload))


def send(open_rows, entry, *, now=10.0, due=None):
    if entry.state in {State.UNCERTAIN, State.DEFERRED}:
        open_rows.requeue(entry)
    assert open_rows.attempt(entry)
    assert open_rows.intend(entry)
    return open_rows.send(entry, due=now if due is None else due, now=now)


def accept(open_rows, entry, *, now=11.0):
    place = f"fanout/{RUN}/{entry.number & 255:02x}/{entry.number}.{entry.generation}"
    reply = Reply("the id of the send", f"s3://bucket/out/{place}", f"s3://bucket/failed/{place}")
    return open_rows.accept(entry, reply, now=now)


def accepted(open_rows, row=0, *, now=11.0, **facts):
    entry = admit(open_rows, row, **facts)
    send(open_rows, entry, now=now)
    assert not accept(open_rows, entry, now=now)
    return entry


def notice(row=0, *, generation=0, attempt=1, receipt="r", completed=True):
    return Notice(row, generation, attempt, completed, "sqs", 12.0, receipt=receipt)


def test_a_row_from_its_entry_to_its_end(open_rows):
    entry = admit(open_rows)
    assert (entry.state, len(open_rows), open_rows.counts.busy) == (State.QUEUED, 1, 0)
    assert send(open_rows, entry, now=10.5, due=10.0) == "abcdefghij.0.0.1"
    assert (entry.state, open_rows.statistics().in_flight) == (State.SENT, 1)
    assert not accept(open_rows, entry, now=11.0)
    assert (entry.state, open_rows.statistics().accepted) == (State.ACCEPTED, 1)
    assert open_rows.claim(notice()) is Claim.WON
    assert (entry.state, open_rows.statistics().claimed) == (State.CLAIMED, 1)
    outcome = open_rows.outcome(entry, status="succeeded", response=b"ok")
    open_rows.settle(entry)
    assert (len(open_rows), open_rows.statistics().undurable) == (0, 1)
    assert open_rows.durable([0]) == (["r"], [])
    assert open_rows.statistics().undurable == 0
    assert (outcome.row, outcome.id, outcome.passthrough, outcome.status) == (0, "id-0", ("k",), "succeeded")
    assert (outcome.transport, outcome.payload_bytes, outcome.response) == ("inline", 5, b"ok")
    assert (outcome.attempts, outcome.resends, outcome.inference_id) == (1, 0, "abcdefghij.0.0.1")
    assert outcome.output_location == "s3://bucket/out/fanout/abcdefghij/00/0.0"
    assert outcome.failure_location == "s3://bucket/failed/fanout/abcdefghij/00/0.0"
    assert (outcome.due_at, outcome.sent_at, outcome.accepted_at) == (10.0, 10.5, 11.0)


def test_a_row_that_was_never_sent_has_an_outcome_too(open_rows):
    outcome = open_rows.outcome(admit(open_rows), status="rejected", error_code="X")
    assert (outcome.attempts, outcome.inference_id, outcome.output_location, outcome.due_at) == (
        0,
        None,
        None,
        None,
    )


def test_an_outcome_names_where_its_payload_stands_in_s3(open_rows):
    """Uploaded by us or there before; one that travels in the request stands nowhere."""
    record = Record(0, "a", b"p", Options())
    place = Location("in", "00/x/0")
    uploaded = open_rows.admit(record, Upload(record.options, b"p", place), upload=place)
    assert open_rows.outcome(uploaded, status="unknown").input_location is None  # not yet
    open_rows.uploaded(uploaded, place, started=1.0, now=2.0)
    existing = open_rows.admit(Record(1, "b", b"", Options()), Staged(Options(), "s3://theirs/1"))
    found = [
        open_rows.outcome(row, status="succeeded").input_location
        for row in (uploaded, existing, admit(open_rows, 2))
    ]
    assert found == ["s3://in/00/x/0", "s3://theirs/1", None]


# Sends


def test_a_refused_request_is_made_again_under_the_same_id_and_measured_from_its_first_due(open_rows):
    entry = admit(open_rows)
    first = send(open_rows, entry, now=10.0)
    assert not open_rows.unsend(entry)
    assert entry.state is State.INTENDED
    assert open_rows.send(entry, due=20.0, now=20.5) == first
    assert (entry.due_at, entry.sent_at, entry.sends, entry.resends) == (10.0, 20.5, 1, 0)


def test_a_row_in_doubt_is_sent_again_under_a_new_id_and_counted(open_rows):
    entry = admit(open_rows)
    send(open_rows, entry)
    assert not open_rows.doubt(entry, now=12.0)
    assert (entry.state, open_rows.statistics().unknown) == (State.UNCERTAIN, 1)
    assert send(open_rows, entry) == "abcdefghij.0.0.2"
    assert (entry.sends, entry.resends, open_rows.statistics().resends) == (2, 1, 1)


def test_a_refusal_does_not_settle_the_doubt_about_an_earlier_attempt(open_rows):
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.doubt(entry, now=12.0)
    send(open_rows, entry)
    assert entry.state is State.RESENT
    assert not open_rows.unsend(entry)
    assert (entry.state, open_rows.statistics().unknown) == (State.REINTENDED, 1)


def test_a_row_in_doubt_knows_where_its_output_will_stand(open_rows):
    entry = admit(open_rows, 258)
    send(open_rows, entry)
    open_rows.doubt(entry, now=12.0)
    assert open_rows.places.output(entry) == Location("bucket", "out/fanout/abcdefghij/02/258.0")
    assert open_rows.places.failure(entry) == Location("bucket", "failed/fanout/abcdefghij/02/258.0")


def test_the_location_of_the_reply_is_kept_whatever_was_expected(open_rows):
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.accept(entry, Reply("the id of the send", "s3://elsewhere/x.out", None), now=11.0)
    assert (entry.output, entry.failure) == (Location("elsewhere", "x.out"), None)
    assert open_rows.places.outputs.strays == 1


def test_a_row_whose_output_stands_where_the_others_do_keeps_no_place_of_its_own(open_rows):
    """Two locations are 340 bytes of a row that waits, and a window may have 100,000 of them."""
    first, second = accepted(open_rows, 0), accepted(open_rows, 1)
    assert all(place is AS_EXPECTED for place in (first.output, first.failure, second.output, second.failure))
    assert open_rows.places.output(second) == Location("bucket", "out/fanout/abcdefghij/01/1.0")


def test_where_no_reply_names_a_failure_there_is_no_place_to_look_at(open_rows):
    """The endpoint may have lost its S3FailurePath meanwhile: then its message is all there is."""
    accepted(open_rows, 0)
    entry = admit(open_rows, 1)
    send(open_rows, entry)
    open_rows.accept(
        entry, Reply("the id of the send", f"s3://bucket/out/fanout/{RUN}/01/1.0", None), now=11.0
    )
    assert open_rows.places.failure(entry) is None
    assert open_rows.outcome(entry, status="succeeded").failure_location is None


def test_a_row_in_doubt_is_looked_for_where_it_was_asked_to_stand_then(open_rows):
    """What a later reply shows of the others says nothing of a request that was made before."""
    entry = admit(open_rows, 0)
    send(open_rows, entry)
    open_rows.doubt(entry, now=12.0)
    later = admit(open_rows, 1)
    send(open_rows, later)
    open_rows.accept(later, Reply("the id of the send", f"s3://new/fanout/{RUN}/01/1.0", None), now=13.0)
    assert open_rows.places.outputs.confirmed
    assert open_rows.places.output(entry) == Location("bucket", "out/fanout/abcdefghij/00/0.0")
    assert open_rows.places.output(later) == Location("new", "fanout/abcdefghij/01/1.0")


def test_a_row_that_was_refused_has_no_place(open_rows):
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.unsend(entry)
    outcome = open_rows.outcome(entry, status="rejected", error_code="ValidationException")
    assert (outcome.inference_id, outcome.output_location, outcome.failure_location) == (
        "abcdefghij.0.0.1",
        None,
        None,
    )


def test_a_new_generation_is_not_blamed_for_the_sends_of_the_last(open_rows):
    entry = admit(open_rows)
    accepted(open_rows, 1)
    for now in (12.0, 14.0):
        send(open_rows, entry, now=now)
        open_rows.doubt(entry, now=now)
        accepted(open_rows, int(now), now=now + 1)
    assert entry.suspect
    open_rows.claim(notice(completed=False))
    open_rows.regenerate(entry)
    assert not entry.suspect


def test_a_definitive_failure_starts_a_new_generation_with_a_place_of_its_own(open_rows):
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.accept(
        entry, Reply("the id of the send", "s3://elsewhere/x.out", "s3://elsewhere/x.err"), now=11.0
    )
    open_rows.claim(notice(completed=False))
    open_rows.regenerate(entry)
    assert (entry.state, entry.output, entry.failure, entry.accepted_at) == (State.DEFERRED, None, None, None)
    assert send(open_rows, entry) == "abcdefghij.0.1.2"
    assert entry.resends == 0  # known to have failed: nothing can be accepted twice
    accept(open_rows, entry)
    assert open_rows.places.output(entry) == Location("bucket", "out/fanout/abcdefghij/00/0.1")
    assert open_rows.claim(notice(generation=0, attempt=1)) is Claim.STRANGER
    assert open_rows.claim(notice(generation=1, attempt=2)) is Claim.WON


# Notices


@pytest.mark.parametrize("doubted", [False, True])
def test_a_notice_that_overtakes_the_reply_is_kept_and_handed_over_once(open_rows, doubted):
    entry = admit(open_rows)
    send(open_rows, entry)
    early = notice()
    assert open_rows.claim(early) is Claim.EARLY
    assert open_rows.claim(notice(receipt="r2")) is Claim.PENDING
    assert open_rows.doubt(entry, now=12.0) if doubted else accept(open_rows, entry)
    assert (entry.state, entry.notice) == (State.CLAIMED, early)
    open_rows.settle(entry)
    assert open_rows.durable([0])[0] == ["r", "r2"]


def test_a_row_that_was_heard_of_is_not_sent_again(open_rows):
    """Its first attempt had been taken, and the notice came while a second one was on its way to be throttled."""
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.doubt(entry, now=12.0)
    send(open_rows, entry)
    assert open_rows.claim(notice(attempt=1)) is Claim.EARLY
    assert open_rows.unsend(entry)
    assert (entry.state, open_rows.may_send(entry)) == (State.CLAIMED, False)


def test_a_row_in_doubt_is_won_by_a_notice_of_any_of_its_attempts(open_rows):
    entry = admit(open_rows)
    for _ in range(3):
        send(open_rows, entry)
        open_rows.doubt(entry, now=12.0)
    assert open_rows.claim(notice(attempt=2)) is Claim.WON
    assert open_rows.claim(notice(attempt=3, receipt="r3")) is Claim.PENDING


@pytest.mark.parametrize(
    "forged", [{"generation": 1}, {"attempt": 2}, {"attempt": 0}, {"row": 1}, {"row": 10**15}]
)
def test_a_notice_of_what_was_never_sent_is_a_strangers(open_rows, forged):
    accepted(open_rows)
    assert open_rows.claim(notice(**forged)) is Claim.STRANGER
    assert open_rows.statistics().strangers == 1
    assert open_rows.statistics().accepted == 1


@pytest.mark.parametrize("attempt", [0, 1])
def test_a_row_that_was_never_sent_cannot_have_finished(open_rows, attempt):
    """Anyone who may publish to the topic can forge a notice; attempts are counted from 1."""
    entry = admit(open_rows)
    assert open_rows.claim(notice(attempt=attempt)) is Claim.STRANGER
    assert entry.state is State.QUEUED


def test_a_forged_notice_does_not_end_a_rows_way(open_rows):
    """Whoever takes a claim back finds the row where it was: this one is certainly not with the endpoint."""
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.unsend(entry)
    if open_rows.claim(notice(attempt=1)) is Claim.WON:
        open_rows.release(entry)
    assert entry.state is State.INTENDED


def test_repetitions_before_and_after_a_row_is_durable(open_rows):
    entry = accepted(open_rows)
    assert open_rows.claim(notice(receipt="a")) is Claim.WON
    assert open_rows.claim(notice(receipt="b")) is Claim.PENDING
    open_rows.settle(entry)
    assert open_rows.claim(notice(receipt="c")) is Claim.PENDING
    assert open_rows.durable([0]) == (["a", "b", "c"], [])
    assert open_rows.claim(notice(receipt="d")) is Claim.DONE
    assert open_rows.statistics().duplicates == 3


@pytest.mark.parametrize("forged", [{"generation": 1}, {"attempt": 2}])
def test_a_forged_notice_of_a_settled_row_is_a_strangers_too(open_rows, forged):
    open_rows.settle(accepted(open_rows))
    assert open_rows.claim(notice(**forged)) is Claim.STRANGER
    assert open_rows.durable([0]) == ([], [])


def test_a_notice_of_a_row_that_was_rejected_unsent_is_a_repetition(open_rows):
    open_rows.seen(3)
    assert open_rows.claim(notice(3)) is Claim.DONE
    assert open_rows.claim(notice(4)) is Claim.STRANGER


def test_uploads_are_handed_over_once_their_row_is_durable(open_rows):
    place = Location("bucket", "in/0")
    entry = open_rows.admit(Record(0, None, b"x", Options()), Upload(Options(), b"x", place), upload=place)
    assert (entry.state, entry.transport, open_rows.held_bytes) == (State.UPLOADING, "s3", 1)
    assert open_rows.uploaded(entry, place, started=1.0, now=2.0)
    assert (entry.state, entry.item, open_rows.held_bytes) == (State.QUEUED, Staged(Options(), place.uri), 0)
    assert open_rows.durable([0]) == ([], [])
    send(open_rows, entry)
    open_rows.unsend(entry)
    open_rows.settle(entry)
    assert open_rows.durable([0]) == ([], [place])
    assert open_rows.durable([0]) == ([], [])


def test_the_newest_claimed_acceptance_is_remembered(open_rows):
    assert open_rows.newest_claimed is None
    for row, at in enumerate((50.0, 70.0, 60.0)):
        accepted(open_rows, row, now=at)
    for row, newest in ((0, 50.0), (1, 70.0), (2, 70.0)):
        open_rows.claim(notice(row))
        assert open_rows.newest_claimed == newest


def test_a_row_that_was_claimed_early_counts_as_claimed(open_rows):
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.claim(notice())
    accept(open_rows, entry, now=50.0)
    assert open_rows.newest_claimed == 50.0


# Deadlines


@pytest.mark.parametrize(
    ("options", "patience_s"),
    [
        (Options(), PATIENCE_S),
        (Options(ttl_s=60), 60 + 900 + 60.0),
        (Options(invocation_timeout_s=3_600), 21_600 + 3_600 + 60.0),
        (Options(ttl_s=60, invocation_timeout_s=1), 60 + 1 + 60.0),
    ],
    ids=str,
)
def test_a_deadline_is_ttl_and_timeout_and_slack_after_the_acceptance(open_rows, options, patience_s):
    entry = accepted(open_rows, now=100.0, options=options)
    assert entry.deadline == open_rows.deadlines.next() == 100.0 + patience_s
    assert open_rows.deadlines.overdue(100.0 + patience_s - 0.001) == []
    assert open_rows.deadlines.overdue(100.0 + patience_s) == [entry]
    assert open_rows.deadlines.overdue(1e12) == []


def test_a_row_in_doubt_has_a_deadline_too(open_rows):
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.doubt(entry, now=100.0)
    assert open_rows.deadlines.overdue(100.0 + PATIENCE_S) == [entry]


def test_the_overdue_come_in_the_order_of_their_deadlines(open_rows):
    entries = [accepted(open_rows, row, now=at) for row, at in enumerate((30.0, 10.0, 20.0))]
    assert open_rows.deadlines.next() == 10.0 + PATIENCE_S
    assert open_rows.deadlines.overdue(20.0 + PATIENCE_S) == [entries[1], entries[2]]
    assert open_rows.deadlines.next() == 30.0 + PATIENCE_S


def test_one_who_is_to_be_waited_for_less_comes_before_those_that_were_first(open_rows):
    """Also within a second whose rows have been put in order, and before it."""
    rows = [accepted(open_rows, row, now=10.0 + row / 10) for row in range(5)]
    assert open_rows.deadlines.next() == 10.0 + PATIENCE_S
    for row, deadline in ((3, 9.5 + PATIENCE_S), (4, 10.25 + PATIENCE_S)):
        open_rows.deadlines.set(rows[row], deadline)
    assert open_rows.deadlines.overdue(1e12) == [rows[place] for place in (3, 0, 1, 2, 4)]
    assert open_rows.deadlines.next() is None
    late = accepted(open_rows, 5, now=0.0)
    assert open_rows.deadlines.overdue(1e12) == [late]


def test_those_who_are_claimed_or_settled_are_not_overdue(open_rows):
    claimed, settled = accepted(open_rows, 0), accepted(open_rows, 1)
    open_rows.claim(notice(0))
    open_rows.settle(settled)
    assert open_rows.deadlines.next() is None
    assert open_rows.deadlines.overdue(1e12) == []
    assert claimed.state is State.CLAIMED


@pytest.mark.parametrize("completed", [True, False])
def test_a_row_that_is_given_back_waits_as_long_as_it_would_have_without(open_rows, completed):
    """A message that anyone may have written shortened its deadline to 900 s, or to 60 s."""
    entry = accepted(open_rows, now=100.0)
    open_rows.claim(notice(completed=completed))
    assert open_rows.deadlines.next() is None  # the deadline is passed over while the row is claimed
    open_rows.release(entry)
    assert (entry.state, open_rows.deadlines.next()) == (State.ACCEPTED, 100.0 + PATIENCE_S)
    assert open_rows.deadlines.overdue(100.0 + PATIENCE_S) == [entry]
    assert open_rows.deadlines.overdue(1e12) == []


def test_of_what_is_claimed_a_failure_is_kept_and_little_of_it(open_rows):
    entry = accepted(open_rows)
    for completed, reason in ((True, None), (False, "x" * 100_000), (True, None)):
        open_rows.claim(dataclasses.replace(notice(completed=completed), failure_reason=reason))
        open_rows.release(entry)
    kept = entry.unconfirmed_notice
    assert (kept.completed, kept.failure_reason) == (False, "x" * UNCONFIRMED_TEXT_MAX)


def test_of_a_row_that_is_claimed_again_and_again_the_latest_handles_are_kept(open_rows):
    """Any number of messages can be forged; each was kept until the row was durable."""
    entry = accepted(open_rows)
    for number in range(3 * RECEIPTS_MAX):
        open_rows.claim(notice(receipt=f"r{number}"))
        open_rows.release(entry)
    open_rows.settle(entry)
    open_rows.claim(notice(receipt="last"))
    receipts, _ = open_rows.durable([0])
    assert receipts == [f"r{number}" for number in range(2 * RECEIPTS_MAX + 1, 3 * RECEIPTS_MAX)] + ["last"]


def test_a_notice_of_a_request_that_was_refused_is_forged(open_rows):
    """It made an uncertain row of one that the endpoint never had: never sent again with `--unknown never`."""
    entry = admit(open_rows)
    send(open_rows, entry)
    assert open_rows.claim(notice()) is Claim.EARLY
    assert not open_rows.unsend(entry)
    assert (entry.state, entry.notice) == (State.INTENDED, None)


def test_a_row_that_is_sent_again_without_proof_of_its_failure_is_counted(open_rows):
    entry = accepted(open_rows)
    open_rows.claim(notice(completed=False))
    open_rows.release(entry)
    open_rows.regenerate(entry, resends=1)
    assert send(open_rows, entry) == "abcdefghij.0.1.2"
    assert (entry.resends, open_rows.statistics().resends) == (1, 1)


def test_a_row_that_was_given_back_is_overdue_once(open_rows):
    entry = accepted(open_rows, now=100.0)
    open_rows.claim(notice())
    open_rows.release(entry)
    assert open_rows.deadlines.overdue(1e9) == [entry]


def test_a_row_that_was_given_back_can_be_won_again(open_rows):
    entry = accepted(open_rows)
    open_rows.claim(notice(receipt="a"))
    open_rows.release(entry)
    assert open_rows.claim(notice(receipt="b")) is Claim.WON
    open_rows.settle(entry)
    assert open_rows.durable([0])[0] == ["a", "b"]


def test_a_row_whose_resend_was_refused_keeps_its_deadline(open_rows):
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.doubt(entry, now=100.0)
    send(open_rows, entry, now=110.0)
    assert open_rows.deadlines.next() is None  # in flight
    open_rows.unsend(entry)
    assert entry.state is State.REINTENDED
    assert open_rows.deadlines.next() == 100.0 + PATIENCE_S


def test_a_new_generation_has_a_new_deadline(open_rows):
    entry = accepted(open_rows, now=100.0)
    open_rows.claim(notice(completed=False))
    open_rows.regenerate(entry)
    assert open_rows.deadlines.next() is None
    send(open_rows, entry, now=300.0)
    accept(open_rows, entry, now=300.0)
    assert open_rows.deadlines.overdue(200.0 + PATIENCE_S) == []
    assert open_rows.deadlines.overdue(300.0 + PATIENCE_S) == [entry]


def test_the_overdue_are_told_once_however_many_rows_pass_by(open_rows):
    slow = accepted(open_rows, 0, now=0.0)
    assert open_rows.deadlines.overdue(PATIENCE_S) == [slow]
    for row in range(1, 2_000):
        open_rows.settle(accepted(open_rows, row, now=PATIENCE_S))
        open_rows.durable([row])
    assert open_rows.deadlines.overdue(PATIENCE_S + 1.0) == []


def test_one_slow_row_does_not_keep_the_deadlines_of_all_that_passed_it(open_rows):
    accepted(open_rows, 0, now=0.0)
    for row in range(1, 10_000):
        open_rows.settle(accepted(open_rows, row, now=float(row)))
        open_rows.durable([row])
    assert len(open_rows.deadlines) < 3_000
    assert open_rows.deadlines.next() == PATIENCE_S


def test_the_oldest_wait_is_that_of_the_oldest_row_that_waits(open_rows):
    assert open_rows.oldest_wait() is None
    for row, at in enumerate((50.0, 60.0)):
        accepted(open_rows, row, now=at)
    doubted = admit(open_rows, 2)
    send(open_rows, doubted, now=70.0)
    assert open_rows.oldest_wait() == 50.0
    open_rows.claim(notice(0))
    assert open_rows.oldest_wait() == 60.0
    open_rows.claim(notice(1))
    assert open_rows.oldest_wait() is None  # the third is in flight
    open_rows.doubt(doubted, now=130.0)
    assert open_rows.oldest_wait() == 70.0


def test_the_waiting_are_told_oldest_first(open_rows):
    rows = [accepted(open_rows, row, now=10.0 + row) for row in range(5)]
    open_rows.claim(notice(2))
    assert list(open_rows.waiting()) == [rows[0], rows[1], rows[3], rows[4]]
    assert list(open_rows.waiting(frozenset({State.CLAIMED}))) == [rows[2]]


# Rows of an earlier process


def restore(open_rows, state, **facts):
    line = RowRecord(7, state, 0, 2, 1, due_at=1.0, sent_at=2.0, **facts)
    record = Record(7, "id-7", b"12345", Options())
    return open_rows.restore(record, Inline(record.options, record.payload), line, upload=None, now=500.0)


def test_an_accepted_row_of_an_earlier_process_waits_as_long_as_it_would_have(open_rows):
    entry = restore(open_rows, RowState.ACCEPTED, accepted_at=100.0)
    assert (entry.state, entry.sends, entry.resends) == (State.ACCEPTED, 2, 1)
    assert open_rows.outcome(entry, status="succeeded").inference_id == "abcdefghij.7.0.2"
    assert open_rows.deadlines.next() == 100.0 + PATIENCE_S
    assert open_rows.places.output(entry) == Location("bucket", "out/fanout/abcdefghij/07/7.0")
    assert open_rows.claim(notice(7, attempt=1)) is Claim.WON


def test_a_row_with_an_intent_alone_may_have_been_sent(open_rows):
    entry = restore(open_rows, RowState.INTENT)
    assert (entry.state, open_rows.statistics().unknown) == (State.UNCERTAIN, 1)
    assert send(open_rows, entry) == "abcdefghij.7.0.3"
    assert entry.resends == 2


def test_a_row_of_unknown_fate_of_an_earlier_process_has_a_deadline(open_rows):
    """Every open row that may be with the endpoint has one: nothing waits for ever."""
    restore(open_rows, RowState.INTENT)
    assert open_rows.deadlines.next() is not None


def test_a_row_that_an_earlier_process_was_about_to_send_hides_nobody_who_waits(open_rows):
    """Its intent was journalled before it was sent, so there is no instant to tell."""
    line = RowRecord(0, RowState.INTENT, 0, 1, 0)
    record = Record(0, None, b"1", Options())
    open_rows.restore(record, Inline(record.options, b"1"), line, upload=None, now=500.0)
    accepted(open_rows, 1, now=50.0)
    assert open_rows.oldest_wait() is not None


def test_a_ready_row_of_an_earlier_process_was_certainly_not_received(open_rows):
    entry = restore(open_rows, RowState.READY)
    assert entry.state is State.QUEUED
    assert send(open_rows, entry) == "abcdefghij.7.0.3"
    assert entry.resends == 1


def test_a_restored_row_keeps_the_place_that_its_reply_named(open_rows):
    entry = restore(
        open_rows, RowState.ACCEPTED, accepted_at=100.0, output="s3://elsewhere/x.out", failure=None
    )
    assert entry.output == Location("elsewhere", "x.out")


def test_a_settled_row_holds_no_payload(open_rows):
    """It waits for its part to be durable, which may hold thousands of rows: only those that are open are bounded."""
    open_rows = OpenRows(RUN, outputs=OutputPaths(RUN), failures=OutputPaths(RUN), keep_payloads=True)
    entry = accepted(open_rows, payload=b"x" * 128_000)
    assert open_rows.held_bytes == 128_000 + len("k")
    open_rows.claim(notice())
    open_rows.settle(entry)
    assert (entry.item, open_rows.held_bytes) == (None, 0)


def test_an_accepted_row_holds_no_payload_unless_it_may_be_sent_again(open_rows):
    entry = accepted(open_rows, payload=b"x" * 128_000)
    assert (entry.item, open_rows.held_bytes) == (None, len("k")), "the value that is kept"


def test_an_accepted_row_of_an_earlier_process_holds_no_payload_either(open_rows):
    assert restore(open_rows, RowState.ACCEPTED, accepted_at=100.0).item is None
    assert restore(open_rows, RowState.INTENT).item == Inline(Options(), b"12345")


def test_a_move_that_the_table_does_not_know_is_a_bug(open_rows):
    entry = admit(open_rows)
    with pytest.raises(AssertionError, match=r"row 0 went from State.QUEUED to State.SENT"):
        open_rows._move(entry, State.SENT)


def test_every_state_can_be_reached_and_left():
    reached = {State.UPLOADING, State.QUEUED, State.ACCEPTED, State.UNCERTAIN}  # rows are entered in these
    for following in TRANSITIONS.values():
        reached |= following
    assert reached == set(State) == set(TRANSITIONS)
    assert [state for state, following in TRANSITIONS.items() if not following] == [State.SETTLED]
    # What the endpoint may have is never taken for what it cannot have but by a new generation or a proof.
    for state in WAITING | {State.RESENT, State.CLAIMED}:
        assert not TRANSITIONS[state] & (NOT_RECEIVED - {State.DEFERRED})


def test_a_row_whose_upload_is_not_known_is_uploaded_and_looked_for_before_it_is_sent_again(open_rows):
    place = Location("bucket", "in/7")
    record = Record(7, None, b"12345", Options())
    line = RowRecord(7, RowState.INTENT, 0, 1, 0)
    entry = open_rows.restore(record, Upload(Options(), b"12345", place), line, upload=place, now=500.0)
    assert (entry.state, entry.transport, open_rows.held_bytes) == (State.UNCERTAIN, "s3", 5)
    assert not open_rows.uploaded(entry, place, started=501.0, now=502.0)
    assert (entry.state, open_rows.held_bytes) == (State.UNCERTAIN, 0)
    assert send(open_rows, entry) == "abcdefghij.7.0.2"
    assert entry.resends == 1


def test_an_upload_that_ends_after_its_row_was_claimed_sends_nothing(open_rows):
    place = Location("bucket", "in/7")
    record = Record(7, None, b"12345", Options())
    line = RowRecord(7, RowState.INTENT, 0, 1, 0)
    entry = open_rows.restore(record, Upload(Options(), b"12345", place), line, upload=place, now=500.0)
    assert open_rows.claim(notice(7)) is Claim.WON
    assert not open_rows.uploaded(entry, place, started=501.0, now=502.0)
    assert entry.state is State.CLAIMED


# Turns


def test_an_uncertain_row_takes_its_turn_and_one_that_was_claimed_has_none(open_rows):
    rows = [admit(open_rows, row) for row in range(3)]
    for row in rows:
        send(open_rows, row)
        open_rows.doubt(row, now=12.0)
        open_rows.defer(row, until=20.0 + row.number)
    assert (open_rows.deferrals.next(), len(open_rows.deferrals)) == (20.0, 3)
    open_rows.claim(notice(0))
    open_rows.defer(rows[2], until=30.0)  # instead of its turn at 22
    assert (open_rows.deferrals.next(), len(open_rows.deferrals)) == (21.0, 2)
    assert open_rows.deferrals.due(25.0) == [rows[1]]
    assert open_rows.deferrals.due(30.0) == [rows[2]]
    assert (open_rows.deferrals.next(), open_rows.deferrals.due(1e12)) == (None, [])


def test_a_row_whose_resend_was_refused_is_uncertain_again_when_it_is_deferred(open_rows):
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.doubt(entry, now=12.0)
    send(open_rows, entry)
    open_rows.unsend(entry)
    open_rows.defer(entry, until=20.0)
    assert (entry.state, entry.turn is None) == (State.UNCERTAIN, False)


def test_a_row_that_is_twice_on_its_way_gets_one_attempt(open_rows):
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.doubt(entry, now=12.0)
    open_rows.requeue(entry)
    open_rows.claim(notice())
    assert not open_rows.attempt(entry)
    open_rows.release(entry)
    open_rows.requeue(entry)
    assert open_rows.attempt(entry)
    assert not open_rows.may_send(entry)  # before its intent is durable, a copy on its way may not be sent
    assert open_rows.intend(entry)
    assert not open_rows.attempt(entry)
    assert (entry.sends, entry.resends) == (2, 1)


def test_a_row_that_was_claimed_while_its_intent_was_written_goes_no_further(open_rows):
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.doubt(entry, now=12.0)
    open_rows.requeue(entry)
    assert open_rows.attempt(entry)
    open_rows.claim(notice())
    assert not open_rows.intend(entry)
    assert entry.state is State.CLAIMED


def test_a_row_that_the_model_failed_before_it_was_uploaded_is_sent_once_it_is(open_rows):
    place = Location("bucket", "in/7")
    record = Record(7, None, b"12345", Options())
    line = RowRecord(7, RowState.INTENT, 0, 1, 0)
    entry = open_rows.restore(record, Upload(Options(), b"12345", place), line, upload=place, now=500.0)
    open_rows.claim(notice(7, completed=False))
    open_rows.regenerate(entry)
    open_rows.defer(entry, until=510.0)
    assert open_rows.deferrals.due(510.0) == [entry]
    assert open_rows.uploaded(entry, place, started=511.0, now=512.0)
    assert send(open_rows, entry) == "abcdefghij.7.1.2"


# What is told of requests


def told(open_rows, entry, **facts):
    outcome = open_rows.outcome(entry, **({"status": "unknown"} | facts))
    return outcome.attempts, outcome.possible_attempts, outcome.resends


def test_an_attempt_that_a_notice_overtook_is_no_request_and_its_number_is_used_next(open_rows):
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.doubt(entry, now=12.0)
    open_rows.requeue(entry)
    assert open_rows.attempt(entry)
    assert open_rows.intend(entry)
    assert open_rows.claim(notice()) is Claim.WON
    outcome = open_rows.outcome(entry, status="succeeded")
    assert (outcome.attempts, outcome.resends, outcome.inference_id) == (1, 0, "abcdefghij.0.0.1")
    open_rows.release(entry)
    assert open_rows.statistics().resends == 0
    assert send(open_rows, entry) == "abcdefghij.0.0.2"
    assert told(open_rows, entry) == (2, 0, 1)
    assert (open_rows.statistics().resends, open_rows.statistics().possible_resends) == (1, 0)


def test_what_a_killed_process_was_about_to_send_is_possible_and_no_more(open_rows):
    line = RowRecord(7, RowState.INTENT, 0, 1, 0, possible=1)
    record = Record(7, None, b"1", Options())
    entry = open_rows.restore(record, Inline(record.options, b"1"), line, upload=None, now=500.0)
    assert told(open_rows, entry) == (0, 1, 0)
    assert told(open_rows, entry, status="succeeded", fetched_at=9.0) == (1, 0, 0)  # its output proves it
    assert send(open_rows, entry) == "abcdefghij.7.0.2"
    assert told(open_rows, entry) == (1, 1, 1)
    assert told(open_rows, entry, status="succeeded", fetched_at=9.0) == (1, 1, 1)  # of whichever of the two
    assert open_rows.outcome(entry, status="unknown").possible_resends == 1
    assert (open_rows.statistics().resends, open_rows.statistics().possible_resends) == (1, 1)


def test_a_failed_generation_proves_that_its_request_was_sent(open_rows):
    line = RowRecord(7, RowState.INTENT, 0, 1, 0, possible=1)
    record = Record(7, None, b"1", Options())
    entry = open_rows.restore(record, Inline(record.options, b"1"), line, upload=None, now=500.0)
    assert open_rows.claim(notice(7, completed=False)) is Claim.WON
    open_rows.regenerate(entry)
    assert send(open_rows, entry) == "abcdefghij.7.1.2"
    assert told(open_rows, entry) == (2, 0, 0)


def test_an_attempt_of_a_failed_generation_is_not_the_next_ones(open_rows):
    """Its intent was still being written when the failure came: the row went out again under that of before."""
    entry = admit(open_rows)
    send(open_rows, entry)
    open_rows.doubt(entry, now=12.0)
    open_rows.requeue(entry)
    assert open_rows.attempt(entry)
    open_rows.claim(notice(completed=False))
    open_rows.regenerate(entry)
    open_rows.requeue(entry)
    assert not open_rows.intend(entry)
    assert send(open_rows, entry) == "abcdefghij.0.1.2"
    assert told(open_rows, entry) == (2, 0, 0)
