"""The channels of the gateway: one file each. A channel hands a parcel over and says what became of it.

It never raises. Everything is bounded: five seconds for an answer, sixty-four kilobytes of it, no redirect is followed.
Secrets are looked up when they are used and stand in no log and in no result.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import aiohttp

from monitor.alerting.receivers.email import Mailer
from monitor.alerting.receivers.sms import EsmsSender, HttpSender
from monitor.alerting.receivers.zalo import ZaloSender
from monitor.core.contacts import Channel
from monitor.core.notices import Parcel, Result
from monitor.core.providers import Esms, Providers


class Receiver(Protocol):
    """A channel."""

    async def send(self, to: str, parcel: Parcel, tracking_id: str) -> Result:
        """Hand it over. The same tracking id is the same message to the provider, too. Never raises."""


def connect(providers: Providers, state: Path, session: aiohttp.ClientSession) -> Mapping[Channel, Receiver]:
    """The channels that are set up. ``state``: where what must outlive a run is kept."""
    found: dict[Channel, Receiver] = {}
    if providers.smtp is not None:
        found[Channel.EMAIL] = Mailer(providers.smtp)
    if isinstance(providers.sms, Esms):
        found[Channel.SMS] = EsmsSender(providers.sms, session)
    elif providers.sms is not None:
        found[Channel.SMS] = HttpSender(providers.sms, session)
    if providers.zalo is not None:
        found[Channel.ZALO] = ZaloSender(providers.zalo, state, session)
    return found
