"""Whether refusals follow the rate: the evidence of cuts, and of a trial, by example."""

from __future__ import annotations

import pytest

from fanout.engine.refusals import FALLS, FOLLOWS, LOWERED, PERIOD_S, STAYS, Fall, Trial, others_try

HALFWAY_S = PERIOD_S / 2  # when a lower rate is tried


def fallen(refused_of, *, usual=0.0):
    """Return a fall in whose steps (rate, answers, refusals) were seen."""
    fall = Fall(0.0, 1_000.0, usual=usual)
    for number, (rate, answers, refusals) in enumerate(refused_of):
        fall.step(float(number), rate)
        for answer in range(answers):
            fall.note(int(answer < refusals), sent_at=number + 0.5)
    return fall


def tried(held, spell, *, began_at=0.5, **where):
    """Return a trial with (answers, refusals) at the held rate and in a spell."""
    rate = where.pop("rate", 100.0)
    trial = Trial(began_at, rate, **{"top_per_s": 2.0 * rate, **where})
    spell_at = PERIOD_S if trial.raises else HALFWAY_S
    for sent_at, (answers, refusals) in ((0.9, held), (spell_at + 0.1, spell)):
        for answer in range(answers):
            trial.note(int(answer < refusals), sent_at=sent_at)
    return trial


def test_a_share_that_stays_at_lower_rates_is_suspected():
    assert fallen([(1_000, 100, 20), (500, 100, 20), (250, 100, 20)]).evidence() > 4


def test_a_share_that_a_limit_explains_is_not():
    """A limit of 250: three quarters of 1,000, half of 500, nothing of 250."""
    assert fallen([(1_000, 100, 75), (500, 100, 50), (250, 100, 0)]).evidence() < -4


@pytest.mark.parametrize("refused_of", [[(1_000, 100, 20)], [(1_000, 100, 20), (900, 100, 20)]])
def test_one_rate_says_nothing(refused_of):
    assert fallen(refused_of).evidence() == 0.0


@pytest.mark.parametrize("refusals", [0, 50])
def test_all_or_nothing_says_nothing(refusals):
    assert fallen([(1_000, 50, refusals), (100, 50, refusals)]).evidence() == 0.0


def test_what_was_sent_before_the_first_cut_counts_for_no_rate():
    fall = Fall(10.0, 1_000.0, usual=0.0)
    fall.step(10.0, 500.0)
    fall.note(1, sent_at=9.9)
    assert fall.evidence() == 0.0


def test_a_trial_finds_that_refusals_stay():
    trial = tried((200, 60), (40, 12))
    assert trial.evidence() >= STAYS
    assert trial.share == pytest.approx(0.3)


def test_a_trial_finds_that_refusals_fall():
    trial = tried((200, 60), (40, 0))
    assert trial.evidence() <= FALLS
    assert trial.share_left == 0.0


def test_a_trial_waits_for_enough_answers():
    assert tried((19, 6), (40, 12)).evidence() == 0.0
    assert tried((200, 60), (4, 2)).evidence() == 0.0
    assert tried((200, 2), (40, 1)).evidence() <= 0.0  # one refusal more proves nothing


@pytest.mark.parametrize(
    ("now", "rate"),
    [(0.6, 100), (0.9, 100), (1.0, 100 * LOWERED), (1.29, 100 * LOWERED), (1.31, 100), (3.1, 100 * LOWERED)],
)
def test_a_trial_lowers_the_rate_in_the_middle_of_each_period(now, rate):
    assert tried((0, 0), (0, 0)).rate_at(now) == rate


def test_a_trial_that_begins_within_a_spell_waits_for_the_next():
    trial = tried((0, 0), (0, 0), began_at=1.1)
    assert [trial.rate_at(now) for now in (1.2, 3.0)] == [100, 100 * LOWERED]


def test_a_trial_raises_the_rate_at_the_beginning_of_each_period():
    """Not when others lower theirs: each would see what the other one does."""
    trial = tried((0, 0), (0, 0), small=True)
    assert [trial.rate_at(now) for now in (1.0, 2.0, 2.29, 2.31)] == [100, 200, 200, 100]


@pytest.mark.parametrize(
    ("at", "whether"), [(0.0, True), (0.39, True), (0.41, False), (1.1, False), (2.2, True)]
)
def test_others_try_a_higher_rate_when_a_period_begins(at, whether):
    assert others_try(at) is whether


@pytest.mark.parametrize(
    ("rate", "share", "lowered_s"), [(100.0, 0.2, 0.9), (100.0, 0.19, 0.3), (101.0, 0.2, 0.3)]
)
def test_a_spell_is_long_where_few_answers_come_and_many_are_refusals(rate, share, lowered_s):
    trial = Trial(0.5, rate, top_per_s=2.0 * rate, share=share)
    assert trial.rate_at(1.0 + lowered_s - 0.01) == rate * LOWERED
    assert trial.rate_at(1.0 + lowered_s + 0.01) == rate


def test_answers_to_what_was_on_its_way_count_for_neither_rate():
    trial = tried((20, 5), (5, 1))
    trial.note(1, sent_at=0.4)  # before it began
    trial.note(1, sent_at=HALFWAY_S + 0.01)
    assert trial.share == pytest.approx(6 / 25)


@pytest.mark.parametrize(
    ("before", "now", "hopeless"),
    [
        ((30, 29), 1.0, True),
        ((19, 19), 1.0, False),
        ((100, 30), 1.0, False),
        ((100, 30), 12.6, True),
        ((500, 1), 1.0, True),
    ],
)
def test_a_trial_ends_without_a_finding(before, now, hopeless):
    """Most is refused, or next to nothing, or it takes too long."""
    assert tried(before, (0, 0)).hopeless(now) is hopeless


@pytest.mark.parametrize("spell", [(40, 0), (40, 1)])
def test_refusals_that_are_few_at_twice_the_rate_stay(spell):
    trial = tried((200, 2), spell, small=True, rate=200.0)
    assert trial.raises
    assert trial.evidence() >= STAYS
    assert trial.stays(0.0)
    assert trial.proven_per_s == 400


@pytest.mark.parametrize(("spell", "stays"), [((59, 0), False), ((60, 0), True), ((60, 12), False)])
def test_at_a_low_rate_more_answers_must_say_more(spell, stays):
    assert tried((200, 2), spell, small=True, rate=199.0).stays(0.0) is stays


def test_a_share_is_doubted_that_is_not_what_was_refused_before():
    """What came in between is that another one made room."""
    assert (
        tried((400, 4), (60, 0), small=True, before=(400, 4)).evidence()
        == tried((400, 4), (60, 0), small=True).evidence()
    )
    doubted = tried((400, 0), (60, 1), small=True, before=(400, 12))
    assert doubted.evidence() < tried((400, 0), (60, 1), small=True).evidence() - 5.0
    assert not doubted.stays(0.0)


def test_where_nothing_is_refused_there_is_nothing_to_find_out():
    """A trial that took quiet for a share jumped to twice its rate, and was cut to half of it."""
    trial = tried((400, 0), (60, 0), small=True)
    assert trial.hopeless(0.0)
    assert not trial.stays(0.0)


def test_what_a_bucket_holds_is_no_proof():
    """Its tokens take the first requests at the higher rate."""
    assert tried((200, 2), (29, 0), small=True, rate=200.0).evidence() == 0.0


@pytest.mark.parametrize("spell", [(20, 10), (60, 20)])
def test_refusals_that_rise_with_the_rate_follow_it(spell):
    """A limit at the rate that is held refuses half, and one between the two rates less."""
    trial = tried((200, 2), spell, small=True)
    assert trial.evidence() <= FOLLOWS
    assert trial.follows()


@pytest.mark.parametrize(
    ("where", "raised", "proven"),
    [
        ({"top_per_s": 1_000.0}, 200, 200),
        ({"top_per_s": 150.0}, 150, 150),
        ({"top_per_s": 100.0, "room_per_s": 500.0}, 200, 100),
        ({"top_per_s": 120.0, "room_per_s": 120.0}, 25, 120),
    ],
)
def test_a_trial_goes_up_where_there_is_room(where, raised, proven):
    trial = tried((0, 0), (0, 0), small=True, **where)
    assert trial.rate_at(PERIOD_S if trial.raises else HALFWAY_S) == pytest.approx(raised)
    assert trial.proven_per_s == pytest.approx(proven)


def test_a_trial_goes_down_where_many_are_refused():
    assert tried((0, 0), (0, 0), top_per_s=1_000.0, small=False).rate_at(1.0) == 25


def test_a_trial_at_a_higher_rate_ends_when_refusals_are_no_longer_few():
    assert tried((50, 11), (0, 0), small=True).hopeless(1.0)
    assert not tried((50, 9), (0, 0), small=True).hopeless(1.0)


def test_evidence_is_weighed_the_less_often_the_more_there_is():
    """A thousand refusals a second must not cost a millisecond each."""
    fall, weighed = Fall(0.0, 1_000.0, usual=0.0), []
    fall.step(0.0, 500.0)
    for number in range(2_000):
        fall.note(1, sent_at=1.0)
        if fall.ripe():
            weighed.append(number + 1)
    assert weighed[:3] == [4, 8, 12]
    assert len(weighed) < 130


@pytest.mark.parametrize(
    ("rate", "share", "hopeless"), [(20.0, 0.05, True), (20.0, 0.3, False), (50.0, 0.05, False)]
)
def test_a_trial_whose_spells_would_have_no_refusal_is_given_up_at_once(rate, share, hopeless):
    """At 20 a second seven answers come in all spells at a quarter of it: one run of two that share a limit would keep
    its part for twelve seconds, and find out nothing."""
    trial = Trial(0.5, rate, top_per_s=2.0 * rate)
    for answer in range(20):
        trial.note(int(answer < share * 20), sent_at=0.9)
    assert trial.hopeless(1.5) is hopeless
