"""How much a desk is told at once: never above its budget, never late without need, nothing left out."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerting.gateway.budget import GATHER_S, MINUTE_S, next_step
from monitor.core.notices import Form, Kind, Message, Notice, Story

NOW = 1_746_666_000.0


def notice(number: int, at: float, kind: Kind = Kind.OPENED) -> Notice:
    story = Story(subject=f"incident:site:{number}", labels={}, since=at)
    return Notice(tracking_id=f"n{number}", desk="d", subject=story.subject, kind=kind, story=story, at=at)


def play(arrivals: list[float], budget: int, takes_s: float = 0.0) -> list[Message]:
    """What the desk is sent, looking ten times a second, until nothing waits; each takes so long to get there."""
    pending = [notice(number, NOW + at) for number, at in enumerate(sorted(arrivals))]
    waiting: list[Notice] = []
    sent: list[Message] = []
    now = NOW
    while pending or waiting:
        waiting += [each for each in pending if each.at <= now]
        pending = [each for each in pending if each.at > now]
        while (step := next_step(waiting, known(sent, takes_s, now), budget, now)).form is not None:
            told = tuple(each.tracking_id for each in step.notices)
            sent.append(Message(tracking_id=f"m{len(sent)}", desk="d", form=step.form, notices=told, created_at=now))
            waiting = [each for each in waiting if each.tracking_id not in told]
        now += 0.1
        assert now < NOW + 3600
    return sent


def known(sent: list[Message], takes_s: float, now: float) -> list[Message]:
    """As the store has them: finished once they have got there."""
    return [
        msgspec.structs.replace(each, finished_at=each.created_at + takes_s)
        if now >= each.created_at + takes_s
        else each
        for each in sent
    ]


def test_what_comes_alone_goes_at_once() -> None:
    (only,) = play([0.0], 3)
    assert (only.form, only.created_at) == (Form.SINGLE, NOW)


def test_a_storm_is_two_messages_and_a_summary() -> None:
    sent = play([0.0] * 12, 3)
    assert [message.form for message in sent] == [Form.SINGLE, Form.SINGLE, Form.SUMMARY]
    assert sum(len(message.notices) for message in sent) == 12
    assert sent[2].created_at - NOW <= GATHER_S + 0.2


def test_what_comes_after_the_summary_waits_for_the_next_minute() -> None:
    sent = play([0.0] * 12 + [20.0, 30.0], 3)
    assert [len(message.notices) for message in sent] == [1, 1, 10, 1, 1]
    assert all(message.created_at >= NOW + MINUTE_S - 0.2 for message in sent[3:])


def test_what_was_escalated_goes_first() -> None:
    waiting = [notice(1, NOW), notice(2, NOW + 1, Kind.ESCALATED)]
    step = next_step(waiting, [], 3, NOW + 1)
    assert [each.tracking_id for each in step.notices] == ["n2"]


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    """Messages and notices of the time to come count as of none."""
    ahead = Message(tracking_id="m", desk="d", form=Form.SUMMARY, notices=(), created_at=NOW + 3600)
    assert next_step([notice(1, NOW + 3600)], [ahead] * 5, 2, NOW).form is Form.SINGLE
    full = [Message(tracking_id="m", desk="d", form=Form.SINGLE, notices=(), created_at=NOW - 61)]
    assert next_step([notice(number, NOW + 3600) for number in (1, 2)], full, 2, NOW).form is not None


@given(st.lists(st.floats(0, 300), min_size=1, max_size=60), st.integers(2, 6), st.sampled_from([0.0, 1.0, 12.0]))
def test_never_more_than_the_budget_in_any_minute_and_nothing_lost(
    arrivals: list[float], budget: int, takes_s: float
) -> None:
    """However long the provider takes: what counts is when the phone rings."""
    sent = play(arrivals, budget, takes_s)
    told = [tracking_id for message in sent for tracking_id in message.notices]
    assert sorted(told) == sorted(f"n{number}" for number in range(len(arrivals)))
    for message in sent:
        minute = [each for each in sent if message.created_at <= each.created_at < message.created_at + MINUTE_S - 0.01]
        assert len(minute) <= budget
        assert sum(each.form is Form.SUMMARY for each in minute) <= 1


@given(st.lists(st.floats(0, 120), min_size=1, max_size=40), st.integers(2, 6))
def test_nobody_waits_longer_than_a_minute_and_a_bit(arrivals: list[float], budget: int) -> None:
    sent = play(arrivals, budget)
    at = {tracking_id: message.created_at for message in sent for tracking_id in message.notices}
    for number, arrived in enumerate(sorted(arrivals)):
        assert at[f"n{number}"] - (NOW + arrived) <= MINUTE_S + GATHER_S + 0.3


def test_what_rang_while_we_looked_counts() -> None:
    """Its finish is dated after the instant that this look began at."""
    rang = Message(tracking_id="m", desk="d", form=Form.SINGLE, notices=(), created_at=NOW - 1, finished_at=NOW + 0.2)
    assert next_step([notice(1, NOW), notice(2, NOW)], [rang, rang], 3, NOW).form is None
