"""What providers say by themselves: that a message has arrived, or not, and that a desk has answered by SMS. Pure.

eSMS calls a URL with a query: ``SMSID``, ``RequestId``, ``SendStatus``, and how many arrived (``SendSuccess``) or did
not (``SendFailed``): status 5 alone says only that it is done (https://developers.esms.vn/esms-api/callback-url). Zalo
posts ``{"event_name": "user_received_message", "message": {"tracking_id": …, "msg_id": …}}``. Anybody else:
``{"reference": …, "delivered": true, "detail": …}``. Replies: ``{"phone": …, "text": …}``, or the same as a query;
eSMS names them ``sender`` and ``content``.
"""

from collections.abc import Mapping

import msgspec

from monitor.core.contacts import Channel
from monitor.core.notices import Outcome, Refused

LONGEST = 200
DONE = "5"
OF_ESMS = {"3": Outcome.REFUSED, "4": Outcome.REFUSED}
"""``SendStatus``; those that are not here are on their way."""
YES_OR_NO = {"true": Outcome.DELIVERED, "1": Outcome.DELIVERED, "false": Outcome.REFUSED, "0": Outcome.REFUSED}
RECEIVED = "user_received_message"
PHONES = ("phone", "from", "sender", "msisdn")
TEXTS = ("text", "content", "message", "body")
"""Names of both in any case, the first that is there."""


class Receipt(msgspec.Struct, frozen=True):
    """What became of a message."""

    reference: str
    """Its tracking id, or the provider's own name for it."""
    outcome: Outcome
    detail: str = ""


def receipt(channel: Channel, body: bytes, query: Mapping[str, str]) -> Receipt:
    """Raises Refused for what is no receipt."""
    said = _said(body, query)
    if channel is Channel.ZALO and isinstance(message := said.get("message"), dict):
        if said.get("event_name") != RECEIVED:
            raise Refused(f"expected the event {RECEIVED}")
        return _receipt(message.get("tracking_id") or message.get("msg_id"), Outcome.DELIVERED, RECEIVED)
    if "SendStatus" in said:
        return _of_esms(said)
    outcome = YES_OR_NO.get(str(said.get("delivered", "")).lower())
    if outcome is None:
        raise Refused('expected a receipt: {"reference": …, "delivered": true}, or one of eSMS or Zalo')
    return _receipt(said.get("reference"), outcome, str(said.get("detail") or ""))


def reply(body: bytes, query: Mapping[str, str]) -> tuple[str, str]:
    """The number that has answered, and what. Raises Refused for what is no SMS."""
    said = {name.lower(): str(value) for name, value in _said(body, query).items() if isinstance(value, str | int)}
    phone, text = (_line(next((said[name] for name in names if said.get(name)), "")) for names in (PHONES, TEXTS))
    if not phone or not text:
        raise Refused('expected an SMS: {"phone": …, "text": …}')
    return phone, text


def _of_esms(said: Mapping[str, object]) -> Receipt:
    """``RequestId`` is ours, where it is given back."""
    status, failed = str(said["SendStatus"]), str(said.get("SendFailed") or "0")
    outcome = OF_ESMS.get(status, Outcome.ACCEPTED)
    if status == DONE:
        outcome = Outcome.DELIVERED if failed == "0" else Outcome.REFUSED
    detail = f"SendStatus {status}, SendFailed {failed}" if failed != "0" else f"SendStatus {status}"
    return _receipt(said.get("RequestId") or said.get("SMSID"), outcome, detail)


def _receipt(reference: object, outcome: Outcome, detail: str) -> Receipt:
    named = str(reference) if isinstance(reference, str | int) and not isinstance(reference, bool) else ""
    if not 0 < len(named) <= LONGEST or not named.isprintable():
        raise Refused(f"expected a reference to a message, of at most {LONGEST} characters")
    return Receipt(named, outcome, _line(detail))


def _line(text: str) -> str:
    """One bounded line that any store takes."""
    return "".join(char if char.isprintable() else " " for char in text[:LONGEST]).strip()


def _said(body: bytes, query: Mapping[str, str]) -> Mapping[str, object]:
    """The body's JSON; without a body, the query."""
    if not body.strip():
        return dict(query)
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refused(f"expected a JSON object: {error}") from error
