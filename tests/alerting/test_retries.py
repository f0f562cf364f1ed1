"""What comes after a try that did not go through."""

from collections.abc import Collection

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerting.circuit import Circuit
from monitor.alerting.retries import GIVE_UP_S, MOST_S, TRIES, Retry, next_try
from monitor.core.contacts import Channel
from monitor.core.notices import Form, Message, Outcome, Result

NOW = 1_746_666_000.0
SMS, ZALO, EMAIL = Channel.SMS, Channel.ZALO, Channel.EMAIL
MESSAGE = Message(tracking_id="m", desk="d", form=Form.SINGLE, notices=(), created_at=NOW)
FAILED, REFUSED = Result(outcome=Outcome.FAILED), Result(outcome=Outcome.REFUSED)


def after(
    attempts: int,
    tried: Channel,
    result: Result,
    *channels: Channel,
    now: float = NOW,
    refused: Collection[Channel] = (),
) -> Retry | None:
    message = msgspec.structs.replace(MESSAGE, attempts=attempts)
    return next_try(message, channels, tried, result, {}, now, refused)


def test_a_failure_is_tried_again_a_little_later_then_by_the_next_channel() -> None:
    assert after(0, SMS, FAILED, SMS, EMAIL) == Retry(SMS, NOW + 0.5)
    assert after(1, SMS, FAILED, SMS, EMAIL) == Retry(EMAIL, NOW)


def test_a_refusal_is_for_good() -> None:
    assert after(0, SMS, REFUSED, SMS, EMAIL) == Retry(EMAIL, NOW)
    assert after(0, SMS, REFUSED, SMS) is None
    assert after(2, EMAIL, REFUSED, SMS, EMAIL, refused={SMS}) is None, "all have refused it"
    found = after(3, EMAIL, FAILED, SMS, EMAIL, refused={SMS})
    assert found is not None
    assert found.channel is EMAIL, "never again by one that has refused it"


def test_after_the_last_channel_comes_the_first_again_a_little_later() -> None:
    assert after(3, EMAIL, FAILED, SMS, EMAIL) == Retry(SMS, NOW + 4.0)
    assert after(1, SMS, FAILED, SMS) == Retry(SMS, NOW + 1.0)


def test_a_channel_whose_circuit_is_open_is_passed_over() -> None:
    circuits = {SMS: Circuit(3, NOW + 10), ZALO: Circuit(3, NOW + 10)}
    assert next_try(MESSAGE, (SMS, ZALO, EMAIL), SMS, FAILED, circuits, NOW) == Retry(EMAIL, NOW)
    circuits[EMAIL] = Circuit(3, NOW + 10)
    found = next_try(MESSAGE, (SMS, ZALO, EMAIL), SMS, FAILED, circuits, NOW)
    assert found is not None, "all are open: later"
    assert found.at > NOW


def test_what_has_become_history_is_given_up() -> None:
    assert after(9, SMS, FAILED, SMS, EMAIL, now=NOW + GIVE_UP_S) is None
    assert after(9, SMS, FAILED, SMS, EMAIL, now=NOW - 3600) is not None, "a clock that was set back gives nothing up"


@given(
    st.lists(st.sampled_from(Channel), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from([Outcome.FAILED, Outcome.REFUSED]), max_size=60),
)
def test_whatever_fails_tries_come_in_time_and_reach_every_channel(
    channels: list[Channel], outcomes: list[Outcome]
) -> None:
    message, now, tried, seen, refused = MESSAGE, NOW, channels[0], set[Channel](), set[Channel]()
    for outcome in outcomes:
        seen.add(tried)
        found = next_try(message, channels, tried, Result(outcome=outcome), {}, now, refused)
        refused |= {tried} if outcome is Outcome.REFUSED else set()
        if found is None:
            assert refused == set(channels) or now - NOW >= GIVE_UP_S
            break
        assert found.channel not in refused
        assert 0 <= found.at - now <= MOST_S
        assert found.channel in channels
        message = msgspec.structs.replace(message, attempts=message.attempts + 1)
        tried, now = found.channel, found.at
    if len(outcomes) > TRIES * len(channels) and message.attempts == len(outcomes):
        assert seen | refused == set(channels)
