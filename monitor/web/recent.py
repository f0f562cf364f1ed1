"""What was asked a moment ago: kept so long and no longer, and asked once however many wait for the answer."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")


class _Asked(NamedTuple):
    at: float
    """On the loop's clock: an answer is as old as its question."""
    answer: "asyncio.Task[Any]"


class Recent(Generic[T]):
    """Answers by key. A question that fails is asked again; when they are too many, the oldest answer goes."""

    def __init__(self, kept_s: float, most: int) -> None:
        self._kept_s = kept_s
        self._most = most
        self._asked: dict[str, _Asked] = {}

    async def get(self, key: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer. Raises what ``ask`` raises."""
        asked, now = self._asked.get(key), asyncio.get_running_loop().time()
        if asked is None or now - asked.at >= self._kept_s:
            asked = self._ask(key, ask, now)
        answer: T = await asyncio.shield(asked.answer)  # one client that leaves takes nobody else's answer with it
        return answer

    def drop(self, key: str) -> None:
        """It is no longer so."""
        self._asked.pop(key, None)

    def __len__(self) -> int:
        return len(self._asked)

    def _ask(self, key: str, ask: Callable[[], Coroutine[Any, Any, T]], now: float) -> _Asked:
        self.drop(key)
        while len(self._asked) >= self._most:
            del self._asked[next(iter(self._asked))]
        asked = self._asked[key] = _Asked(now, asyncio.create_task(ask(), name="asked once"))
        asked.answer.add_done_callback(lambda done: self._settle(key, asked, done))
        return asked

    def _settle(self, key: str, asked: _Asked, done: "asyncio.Task[T]") -> None:
        if (done.cancelled() or done.exception() is not None) and self._asked.get(key) is asked:
            self.drop(key)
