"""Letters in the words of each channel: the same facts, as much of them as the channel carries. Pure."""

from collections.abc import Callable, Mapping

from monitor.alerting.texts.email import email
from monitor.alerting.texts.sms import sms
from monitor.alerting.texts.zalo import zns
from monitor.core.contacts import Channel
from monitor.core.notices import Letter, Parcel

WRITERS: Mapping[Channel, Callable[[Letter], Parcel]] = {
    Channel.SMS: sms,
    Channel.ZALO: zns,
    Channel.EMAIL: email,
}


def render(letter: Letter, channel: Channel) -> Parcel:
    """The letter as this channel carries it."""
    return WRITERS[channel](letter)
