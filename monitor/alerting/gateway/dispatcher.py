"""From notices that wait to messages that went: within each desk's budget, by the first of its channels that works.

A message is committed before it is sent, and what became of it afterwards: a kill between the two sends it once more
under the same tracking id, by which a provider knows it again. One that is being sent is in nobody's way.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import msgspec
import structlog

from monitor.alerting.circuit import CLOSED, Circuit
from monitor.alerting.gateway.budget import MINUTE_S, next_step
from monitor.alerting.gateway.webhook import notice_id
from monitor.alerting.receivers import Receiver
from monitor.alerting.retries import Retry, next_try
from monitor.alerting.texts import render
from monitor.core.contacts import Channel, Contacts, Desk
from monitor.core.gateway import GatewayCounters
from monitor.core.model import Ceremony
from monitor.core.notices import (
    Attempt,
    Form,
    Letter,
    Message,
    MessageState,
    Notice,
    Outcome,
    Result,
    Thread,
)
from monitor.core.records import Dispatches, NotRecorded

AT_ONCE = 16
"""Messages on their way at the same time."""
LINK_HOLDS_S = 86_400.0
AGAIN_S = 0.5
"""Until what became of a message is committed, it is tried so often."""
SENDS_WITHIN_S = 20.0
"""No channel takes longer; its own bounds are narrower."""
GONE = "the desk is no longer in contacts.yaml"
NEXT = "not arrived by {channel}: the next channel"
NO_CHANNEL = "no channel of this desk is set up in gateway.yaml"

log = structlog.get_logger("diemcau.gateway")


class Dispatcher:
    """Sends what waits. Only the leader's is asked to."""

    def __init__(
        self,
        dispatches: Dispatches,
        *,
        contacts: Callable[[], Contacts],
        receivers: Callable[[], Mapping[Channel, Receiver]],
        ceremony: Callable[[], Ceremony],
        ack_link: Callable[[int, float], str],
        clock: Callable[[], float],
    ) -> None:
        """``ack_link``: the page of a thread, by its number and the end of its life (Unix time)."""
        self.counters = GatewayCounters()
        self.circuits: dict[Channel, Circuit] = {}
        self._dispatches = dispatches
        self._contacts = contacts
        self._receivers = receivers
        self._ceremony = ceremony
        self._ack_link = ack_link
        self._clock = clock
        self._flying: dict[str, asyncio.Task[None]] = {}

    async def dispatch(self, now: float) -> None:
        """Make messages of what may be told now, and send all that is due. Raises NotRecorded."""
        await self._compose(now)
        grounded = (each for each in await self._dispatches.pending() if each.tracking_id not in self._flying)
        due = [message for message in grounded if message.due_at <= now][: AT_ONCE - len(self._flying)]
        if due:
            for message, notices, thread in await self._contents(due):
                self._launch(message, notices, thread)

    async def go_on(self, channel: Channel, reference: str, now: float) -> None:
        """A message has not arrived, says its provider: the desk's next channel, where there is one."""
        for message in await self._dispatches.messages(now - LINK_HOLDS_S):
            desk = self._contacts().desks.get(message.desk)
            is_it = reference in (message.tracking_id, message.provider_id) and message.channel is channel
            if not is_it or desk is None or message.state is not MessageState.FAILED:
                continue
            later = [each for each in desk.channels[desk.channels.index(channel) + 1 :] if each in self._receivers()]
            if later:
                again = msgspec.structs.replace(message, state=MessageState.PENDING, channel=later[0], due_at=now)
                told = Attempt(
                    message=message.tracking_id,
                    desk=desk.id,
                    channel=later[0],
                    at=now,
                    outcome=Outcome.FAILED,
                    detail=NEXT.format(channel=channel.value),
                )
                await self._dispatches.attempted(again, told)

    async def _contents(self, due: Sequence[Message]) -> list[tuple[Message, list[Notice], Thread | None]]:
        """What each tells, and within which thread; asked at once for all."""
        told = await self._dispatches.notices([name for message in due for name in message.notices])
        by_name = {notice.tracking_id: notice for notice in told}
        threads = {each.number: each for each in await self._dispatches.threads_of({one.thread for one in told})}
        found = []
        for message in due:
            notices = [by_name[name] for name in message.notices if name in by_name]
            found.append((message, notices, threads.get(notices[0].thread) if notices else None))
        return found

    async def close(self) -> None:
        """What flies is let finish, for a moment."""
        flying = list(self._flying.values())
        if flying:
            await asyncio.wait(flying, timeout=1.0)
        for task in flying:
            task.cancel()

    # Composing

    async def _compose(self, now: float) -> None:
        waiting = sorted(await self._dispatches.waiting(), key=lambda notice: notice.desk)
        self.counters.waiting = len(waiting)
        self.counters.oldest_waiting_s = max((now - notice.at for notice in waiting), default=0.0)
        if not waiting:
            return
        sent = await self._dispatches.messages(now - 2 * MINUTE_S)  # some ring later than they were made
        desks = [(desk, list(notices)) for desk, notices in groupby(waiting, key=lambda notice: notice.desk)]
        composing = (self._compose_for(*one, [each for each in sent if each.desk == one[0]], now) for one in desks)
        await asyncio.gather(*composing)  # so that all are committed together

    async def _compose_for(self, desk: str, waiting: list[Notice], sent: list[Message], now: float) -> None:
        post = self._contacts().desks.get(desk)
        budget = post.budget if post is not None else 2
        while (step := next_step(waiting, sent, budget, now)).form is not None:
            told = tuple(notice.tracking_id for notice in step.notices)
            message = Message(
                tracking_id=notice_id(desk, *told), desk=desk, form=step.form, notices=told, created_at=now, due_at=now
            )
            if not await self._dispatches.compose(message):
                return  # another monitor was quicker: look again
            log.info("message", desk=desk, form=step.form, notices=len(told), message=message.tracking_id)
            sent = [*sent, message]
            waiting = [notice for notice in waiting if notice.tracking_id not in told]

    # Sending

    def _launch(self, message: Message, notices: Sequence[Notice], thread: Thread | None) -> None:
        task = asyncio.create_task(self._send(message, notices, thread), name=f"message {message.tracking_id}")
        self._flying[message.tracking_id] = task
        task.add_done_callback(lambda done: self._landed(message, done))

    def _landed(self, message: Message, task: "asyncio.Task[None]") -> None:
        self._flying.pop(message.tracking_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("message.defect", message=message.tracking_id, error=repr(error))

    async def _send(self, message: Message, notices: Sequence[Notice], thread: Thread | None) -> None:
        desk = self._contacts().desks.get(message.desk)
        receivers = self._receivers()
        channels = tuple(each for each in desk.channels if each in receivers) if desk is not None else ()
        channel = self._first(message, channels)
        if desk is None or channel is None:
            await self._give_up(message, GONE if desk is None else NO_CHANNEL)
            return
        began, at = time.monotonic(), self._clock()
        self._turn(channel, self.circuits.get(channel, CLOSED).begun(at))
        result = await self._hand_over(self._letter(message, desk, notices, thread), channel, receivers[channel])
        self._turn(channel, self.circuits[channel].after(result.outcome, self._clock()))
        refused = await self._refused(message)
        after = next_try(message, channels, channel, result, self.circuits, self._clock(), refused)
        attempt = Attempt(
            message=message.tracking_id,
            desk=desk.id,
            channel=channel,
            at=at,
            outcome=result.outcome,
            detail=result.detail,
            provider_id=result.provider_id,
            took_s=time.monotonic() - began,
        )
        await self._note(_as_tried(message, channel, result, after, self._clock()), attempt)

    def _turn(self, channel: Channel, circuit: Circuit) -> None:
        self.circuits[channel] = circuit
        self.counters.circuits_open[channel.value] = circuit.is_open(self._clock())

    async def _refused(self, message: Message) -> set[Channel]:
        """Channels that have refused this message before; none where the store does not say."""
        if not message.attempts:
            return set()
        try:
            tried = await self._dispatches.attempts([message.tracking_id])
        except NotRecorded:
            return set()
        return {attempt.channel for attempt in tried if attempt.outcome is Outcome.REFUSED}

    def _first(self, message: Message, channels: Sequence[Channel]) -> Channel | None:
        """The channel that it is to go by, or else the first that is worth trying."""
        if message.channel in channels:
            return message.channel
        now = self._clock()
        closed = [channel for channel in channels if not self.circuits.get(channel, CLOSED).is_open(now)]
        return next(iter(closed or channels), None)

    async def _hand_over(self, letter: Letter, channel: Channel, receiver: Receiver) -> Result:
        """A channel never raises; should our own words, we try another."""
        try:
            parcel = render(letter, channel)
            async with asyncio.timeout(SENDS_WITHIN_S):
                return await receiver.send(letter.desk.address(channel), parcel, letter.tracking_id)
        except TimeoutError:
            return Result(outcome=Outcome.FAILED, detail=f"no answer within {SENDS_WITHIN_S:g} s")
        except Exception as error:
            log.exception("channel.defect", channel=channel)
            return Result(outcome=Outcome.FAILED, detail=f"a defect of ours: {type(error).__name__}")

    def _letter(self, message: Message, desk: Desk, notices: Sequence[Notice], thread: Thread | None) -> Letter:
        ceremony = self._ceremony()
        link = self._ack_link(thread.number, self._clock() + LINK_HOLDS_S) if thread is not None else ""
        return Letter(
            tracking_id=message.tracking_id,
            desk=desk,
            form=message.form,
            notices=tuple(notices),
            ack_link=link,
            code=thread.code if thread is not None and message.form is Form.SINGLE else "",
            drill=ceremony.drill,
            timezone=ceremony.timezone,
        )

    async def _give_up(self, message: Message, why: str) -> None:
        """Nobody to send it to: on the board, and the level above is told."""
        channel = message.channel or Channel.EMAIL
        now = self._clock()
        failed = msgspec.structs.replace(message, state=MessageState.FAILED, channel=channel, finished_at=now)
        attempt = Attempt(
            message=message.tracking_id,
            desk=message.desk,
            channel=channel,
            at=now,
            outcome=Outcome.REFUSED,
            detail=why,
        )
        await self._note(failed, attempt)

    async def _note(self, message: Message, attempt: Attempt) -> None:
        """Committed, however long that takes: until then the message flies, and is not sent again."""
        self.counters.attempts[attempt.desk, attempt.channel.value, attempt.outcome.value] += 1
        if message.state is MessageState.FAILED:
            self.counters.given_up[message.desk] += 1
        say = log.info if attempt.outcome is Outcome.ACCEPTED else log.warning
        say(
            "message attempted",
            desk=attempt.desk,
            channel=attempt.channel,
            outcome=attempt.outcome,
            detail=attempt.detail,
            message=message.tracking_id,
            state=message.state,
        )
        while True:
            try:
                return await self._dispatches.attempted(message, attempt)
            except NotRecorded:
                await asyncio.sleep(AGAIN_S)


def _as_tried(message: Message, channel: Channel, result: Result, after: Retry | None, now: float) -> Message:
    """How it stands: accepted, to be tried again, or given up."""
    tried = msgspec.structs.replace(message, attempts=message.attempts + 1, channel=channel)
    if result.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED):
        state = MessageState.SENT if result.outcome is Outcome.ACCEPTED else MessageState.DELIVERED
        return msgspec.structs.replace(tried, state=state, provider_id=result.provider_id, finished_at=now)
    if after is None:
        return msgspec.structs.replace(tried, state=MessageState.FAILED, finished_at=now)
    return msgspec.structs.replace(tried, channel=after.channel, due_at=after.at)
