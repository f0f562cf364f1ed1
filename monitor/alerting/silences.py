"""Silences of the real Alertmanagers (API v2): read every few seconds, set, ended.

What is set at one of a cluster is known to all of it; Alertmanagers by themselves are told each. What was heard last
goes on holding while none answers: for direct delivery that is the very moment it is needed.
https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import aiohttp
import msgspec
import structlog
from yarl import URL

from monitor.core.silences import Matcher, NotSilenced, Silence, is_silenced

LOOK_EVERY_S = 5.0
TIMEOUT = aiohttp.ClientTimeout(total=3.0)
MOST_BYTES = 8 * 1024 * 1024
REMEMBERED_S = 86_400.0
"""What has ended so long ago is no longer listed."""

log = structlog.get_logger("diemcau.alerting")


class GettableMatcher(msgspec.Struct, rename="camel"):
    """A matcher as Alertmanager has it."""

    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


class Gettable(msgspec.Struct, rename="camel"):
    """A silence as Alertmanager has it."""

    id: str
    matchers: list[GettableMatcher]
    starts_at: datetime
    ends_at: datetime
    created_by: str = ""
    comment: str = ""


class Cluster(msgspec.Struct, frozen=True):
    """Whether an Alertmanager has company."""

    status: str = "disabled"


class Status(msgspec.Struct, frozen=True):
    """What an Alertmanager says of itself."""

    cluster: Cluster = Cluster()


class Silences:
    """All that is silenced, as far as is known."""

    def __init__(
        self,
        urls: Sequence[str],
        session: Callable[[], aiohttp.ClientSession],
        clock: Callable[[], float],
    ) -> None:
        self._urls = tuple(dict.fromkeys(urls))
        self._session = session
        self._clock = clock
        self.known: tuple[Silence, ...] = ()
        self.reachable = not self._urls

    def muted(self, labels: Mapping[str, str], now: float) -> bool:
        """Whether nobody is told of an alert with these labels."""
        return is_silenced(self.known, labels, now)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Once; what goes wrong leaves what is known as it is."""
        answers = await asyncio.gather(*(self._read(url) for url in self._urls))
        heard = [found for found in answers if found is not None]
        self.reachable = bool(heard) or not self._urls
        if heard:
            self.known = tuple(_merged((each for found in heard for each in found), self._clock()))

    async def add(self, silence: Silence) -> None:
        """Set it with each Alertmanager, or one of a cluster; it is known when it returns. Raises NotSilenced."""
        taken, clustered = 0, False
        for url in self._urls:
            company = await self._is_clustered(url)
            if company is None or (company and clustered):
                continue
            if await self._ask("POST", URL(url) / "api/v2/silences", _body(silence)) is not None:
                taken, clustered = taken + 1, clustered or company
        if not taken:
            raise NotSilenced("no Alertmanager took it")
        self.known = (*self.known, silence)
        await self.look()

    async def end(self, silence: Silence) -> None:
        """Now, wherever it is known. Raises NotSilenced where nobody answers."""
        asked = [URL(url) / "api/v2/silence" / name for url in self._urls for name in silence.ids]
        answers = [await self._ask("DELETE", url) for url in asked]
        if not any(answer is not None for answer in answers):
            raise NotSilenced("no Alertmanager took it")
        now = self._clock()
        self.known = tuple(
            msgspec.structs.replace(each, ends_at=min(each.ends_at, now)) if each == silence else each
            for each in self.known
        )
        await self.look()

    async def _read(self, url: str) -> list[Gettable] | None:
        raw = await self._ask("GET", URL(url) / "api/v2/silences")
        try:
            return msgspec.json.decode(raw, type=list[Gettable]) if raw is not None else None
        except msgspec.DecodeError as error:
            log.warning("silences not understood", why=str(error))
            return None

    async def _is_clustered(self, url: str) -> bool | None:
        """None where it does not answer."""
        raw = await self._ask("GET", URL(url) / "api/v2/status")
        try:
            return None if raw is None else msgspec.json.decode(raw, type=Status).cluster.status == "ready"
        except msgspec.DecodeError:
            return None

    async def _ask(self, method: str, url: URL, body: bytes | None = None) -> bytes | None:
        """The answer to a request that was taken; None otherwise. Never raises."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            async with self._session().request(
                method, url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
            ) as response:
                raw = await response.content.read(MOST_BYTES) if response.content_length != 0 else b""
                raw += await response.read()
                return raw if response.status == 200 else None
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the loop goes on
            log.debug("alertmanager does not answer", why=type(error).__name__)
            return None


def _body(silence: Silence) -> bytes:
    return msgspec.json.encode(
        {
            "matchers": [
                {"name": each.name, "value": each.value, "isRegex": each.is_regex, "isEqual": each.is_equal}
                for each in silence.matchers
            ],
            "startsAt": _stamp(silence.starts_at),
            "endsAt": _stamp(silence.ends_at),
            "createdBy": silence.created_by,
            "comment": silence.comment,
        }
    )


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _merged(found: Iterable[Gettable], now: float) -> list[Silence]:
    """Each once, though several Alertmanagers have it under names of their own; the latest first."""
    by_sense: dict[Silence, dict[str, None]] = {}
    for each in found:
        if each.ends_at.timestamp() > now - REMEMBERED_S:
            by_sense.setdefault(_silence(each), {})[each.id] = None
    merged = [msgspec.structs.replace(sense, ids=tuple(ids)) for sense, ids in by_sense.items()]
    return sorted(merged, key=lambda each: -each.starts_at)


def _silence(each: Gettable) -> Silence:
    return Silence(
        matchers=tuple(Matcher(one.name, one.value, one.is_regex, one.is_equal) for one in each.matchers),
        starts_at=round(each.starts_at.timestamp()),
        ends_at=round(each.ends_at.timestamp()),
        created_by=each.created_by,
        comment=each.comment,
    )
