"""What providers say by themselves: that a message has arrived, or not, and that a desk has answered by SMS. Pure.

eSMS calls a URL with a query: ``SMSID``, ``SendStatus`` (5: delivered, 3: failed), ``RequestId``. Zalo posts
``{"event_name": "user_received_message", "message": {"tracking_id": …, "msg_id": …}}``. Anybody else:
``{"reference": …, "delivered": true, "detail": …}``. Replies: ``{"phone": …, "text": …}``, or the same as a query.
"""

from collections.abc import Mapping

import msgspec

from monitor.core.contacts import Channel
from monitor.core.notices import Outcome, Refused

LONGEST = 200
DELIVERED = {"5": Outcome.DELIVERED, "3": Outcome.REFUSED, "4": Outcome.REFUSED}
"""``SendStatus`` of eSMS; the others are on their way."""
RECEIVED = "user_received_message"
PHONES = ("phone", "Phone", "from", "sender", "msisdn")
TEXTS = ("text", "Content", "message", "content", "body")


class Receipt(msgspec.Struct, frozen=True):
    """What became of a message."""

    reference: str
    """Its tracking id, or the provider's own name for it."""
    outcome: Outcome
    detail: str = ""


def receipt(channel: Channel, body: bytes, query: Mapping[str, str]) -> Receipt:
    """Raises Refused for what is no receipt."""
    said = _said(body, query)
    if channel is Channel.ZALO and isinstance(message := said.get("message"), Mapping):
        if said.get("event_name") != RECEIVED:
            raise Refused("expected the event user_received_message")
        return _receipt(message.get("tracking_id") or message.get("msg_id"), Outcome.DELIVERED, RECEIVED)
    if "SendStatus" in said:
        status = str(said["SendStatus"])
        outcome = DELIVERED.get(status, Outcome.ACCEPTED)
        return _receipt(said.get("RequestId") or said.get("SMSID"), outcome, f"SendStatus {status}")
    if isinstance(delivered := said.get("delivered"), bool | str):
        outcome = Outcome.DELIVERED if str(delivered).lower() == "true" else Outcome.REFUSED
        return _receipt(said.get("reference"), outcome, str(said.get("detail", "")))
    raise Refused('expected a receipt: {"reference": …, "delivered": true}, or one of eSMS or Zalo')


def reply(body: bytes, query: Mapping[str, str]) -> tuple[str, str]:
    """The number that has answered, and what. Raises Refused for what is no SMS."""
    said = _said(body, query)
    phone = next((said[name] for name in PHONES if isinstance(said.get(name), str)), "")
    text = next((said[name] for name in TEXTS if isinstance(said.get(name), str)), "")
    if not phone or not text:
        raise Refused('expected an SMS: {"phone": …, "text": …}')
    return str(phone)[:LONGEST], str(text)[:LONGEST]


def _receipt(reference: object, outcome: Outcome, detail: str) -> Receipt:
    if not isinstance(reference, str | int) or not str(reference):
        raise Refused("expected a reference to a message")
    return Receipt(str(reference)[:LONGEST], outcome, detail[:LONGEST])


def _said(body: bytes, query: Mapping[str, str]) -> Mapping[str, object]:
    if not body.strip():
        return dict(query)
    try:
        found = msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refused(f"expected a JSON object: {error}") from error
    return found
