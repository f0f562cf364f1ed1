"""Plays the desks on duty: whoever is told opens the link of the message and says "đã tiếp nhận", some while later.

One in so many is asleep, so that the level above is told in its place.
"""

import asyncio
import re
from random import Random

import aiohttp

from monitor.rehearsal.phones import Arrival, Phones
from monitor.web.text import TEXT

READS_AFTER_S = (4.0, 20.0)
"""Between the message and the tap."""
ASLEEP = 0.2
"""Of the addresses, never to tap."""
OVER = 409
"""Status of a tap that came when all was over."""
REPAIR_MINUTES = ("15", "30", "60", "")
FIELD = re.compile(r'name="(form|thread)" value="([^"]+)"')


class Watch:
    """All desks that are told."""

    def __init__(self, base: str, phones: Phones, rng: Random) -> None:
        """``base``: the board, as it is reached from here."""
        self._base = base
        self._phones = phones
        self._rng = rng
        self._asleep: dict[str, bool] = {}
        self.tapped = 0
        """Acknowledgements that were taken."""
        self.refused = 0
        """Links or forms that were not: a defect of ours."""

    async def run(self) -> None:
        """Until cancelled."""
        read = 0
        async with aiohttp.ClientSession(self._base) as client, asyncio.TaskGroup() as reading:
            while True:
                await self._phones.news.wait()
                self._phones.news.clear()
                arrived = self._phones.arrived[read:]
                read += len(arrived)
                for arrival in arrived:
                    if arrival.token and not self._sleeps(arrival.to):
                        reading.create_task(self._read(client, arrival))

    def _sleeps(self, to: str) -> bool:
        return self._asleep.setdefault(to, self._rng.random() < ASLEEP)

    async def _read(self, client: aiohttp.ClientSession, arrival: Arrival) -> None:
        """Open the page and send the first form in it, where there is one: its incident goes on and is not yet ours."""
        await asyncio.sleep(self._rng.uniform(*READS_AFTER_S))
        path = f"/a/{arrival.token}"
        try:
            async with client.get(path) as response:
                page = await response.text()
            if response.status != 200:
                self.refused += 1
                return
            fields = FIELD.findall(page.partition("</form>")[0])
            if not fields or f">{TEXT['ack_again']}</button>" in page:
                return
            sent = aiohttp.FormData([*fields, ("minutes", self._rng.choice(REPAIR_MINUTES))])
            async with client.post(path, data=sent, allow_redirects=False) as response:
                taken, late = response.status == 303, response.status == OVER
        except (aiohttp.ClientError, TimeoutError):
            taken = late = False
        self.tapped += taken
        self.refused += not taken and not late
