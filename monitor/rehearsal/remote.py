"""Our end of the connections to the processes that we give orders to: a line of JSON each, and reports back."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

import msgspec

from monitor.rehearsal import links, pages
from monitor.rehearsal.children import Household
from monitor.rehearsal.faults import Step
from monitor.rehearsal.links import Carried, Changed
from monitor.rehearsal.pages import Heard, Mains

CONTROL_BYTES = 1 << 22
R = TypeVar("R")


class Remote(Generic[R]):
    """A process that takes orders, and gives reports of the type ``R``."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reports: msgspec.json.Decoder[R]
    ) -> None:
        self._reader, self._writer = reader, writer
        self._reports = reports

    async def order(self, order: msgspec.Struct) -> None:
        """Send one order."""
        self._writer.write(msgspec.json.encode(order) + b"\n")
        await self._writer.drain()

    async def report(self) -> R | None:
        """The next report; None when there will be no more."""
        line = await self._reader.readline()
        return self._reports.decode(line) if line else None

    def say_no_more(self) -> None:
        """Have it end, with its last report."""
        self._writer.write_eof()


class Forwarder(Remote[links.Report]):
    """The process that carries every packet."""

    async def change(self, number: int, step: Step) -> float:
        """Have a step made; the instant when it was."""
        groups = (step.cut, step.mend, step.mute, step.heard)
        cut, mend, mute, heard = (tuple(outage.address for outage in outages) for outages in groups)
        await self.order(links.Change(number, cut, mend, mute, heard, step.uplink_loss))
        report = await self.report()
        if not isinstance(report, Changed):
            raise TypeError(f"expected the report of change {number}, got {report!r}")
        return report.at

    async def finish(self) -> Carried | None:
        """Have it end; what it carried."""
        self.say_no_more()
        report = await self.report()
        return report if isinstance(report, Carried) else None


class Browsers(Remote[Heard]):
    """The process that plays the points' pages."""

    async def change(self, step: Step) -> None:
        """Tell it whose mains failed and whose are back."""
        lost, back = (tuple(span.point for span in spans) for spans in (step.dark, step.lit))
        if lost or back:
            await self.order(Mains(lost, back))

    async def finish(self) -> Heard | None:
        """Have it end; how the centre was heard."""
        self.say_no_more()
        return await self.report()


@contextlib.asynccontextmanager
async def forwarder(household: Household, devices: tuple[int, int], lay: links.Lay) -> AsyncIterator[Forwarder]:
    """Start the forwarder between both devices; it ends when we hang up."""
    async with _started(household, "forwarder", links.__name__, devices) as (reader, writer):
        remote = Forwarder(reader, writer, msgspec.json.Decoder(links.Report))
        await remote.order(lay)
        yield remote


@contextlib.asynccontextmanager
async def browsers(household: Household, namespace: int, order: pages.Open) -> AsyncIterator[Browsers]:
    """Start the pages in the points' namespace; they end when we hang up."""
    async with _started(household, "pages", pages.__name__, (), namespace) as (reader, writer):
        remote = Browsers(reader, writer, msgspec.json.Decoder(Heard))
        await remote.order(order)
        yield remote


@contextlib.asynccontextmanager
async def _started(
    household: Household, name: str, module: str, fds: tuple[int, ...], namespace: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        passed = (*fds, theirs.fileno())
        household.start_own(name, module, *map(str, passed), pass_fds=passed, namespace=namespace)
        theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=CONTROL_BYTES)
        try:
            yield reader, writer
        finally:
            writer.close()
