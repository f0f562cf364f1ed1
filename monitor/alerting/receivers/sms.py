"""SMS, through a provider's HTTP interface: one that speaks as eSMS does, or any other by a template.

What is about a number or a text is for good; what is about us (keys, money, a brandname) may be put right while we try
again, and so may whatever is not listed here.
"""

import json
import re
from collections.abc import Mapping

import aiohttp
import jmespath
import msgspec
from jmespath.exceptions import JMESPathError

from monitor.alerting.receivers.exchange import Answer, Keyring, NoSecret, ask, international, is_reference
from monitor.core.notices import Outcome, Parcel, Result, Sms
from monitor.core.providers import Esms, HttpSms

OF_ESMS = {
    "100": Outcome.ACCEPTED,
    "124": Outcome.ACCEPTED,  # a RequestId that it knows: our first try had come through, though not its answer
    "108": Outcome.REFUSED,  # no phone number
    "131": Outcome.REFUSED,  # too long
    "146": Outcome.REFUSED,  # not as the registered template
    "177": Outcome.REFUSED,  # the brandname is not registered with the number's network
}
"""``CodeResult``; among the others 101 wrong keys, 103 no money, 104 no such brandname, 140 not from this address.

https://developers.esms.vn/esms-api/bang-ma-loi; of 99 its pages say both "blocked number" and "unknown error".
"""
REJECTED = "4"
"""``SendStatus`` of a message that eSMS will not send."""
SMS_TYPE = "2"
"""A brandname to customers (CSKH). https://developers.esms.vn/esms-api/ham-gui-tin/tin-nhan-sms-otp-cskh"""
JSON = {"Content-Type": "application/json"}
PERMANENT = frozenset({400, 422})
"""Status codes of a request that is understood and refused, where the configuration says nothing else."""
NO_SMS = Result(outcome=Outcome.REFUSED, detail="no SMS")
NO_NUMBER = Result(outcome=Outcome.REFUSED, detail="the desk's phone is no phone number")
_PLACE = re.compile(r"\{(phone|text|tracking_id)\}")


class EsmsSender:
    """A provider that speaks as eSMS does."""

    def __init__(self, settings: Esms, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session

    async def send(self, to: str, parcel: Parcel, tracking_id: str) -> Result:
        """Hand an SMS over; RequestId makes a repetition known."""
        if not isinstance(parcel, Sms):
            return NO_SMS
        if not (phone := international(to)):
            return NO_NUMBER
        keys = Keyring()
        try:
            body = msgspec.json.encode(self._body(phone, parcel.text, tracking_id, keys))
        except NoSecret as missing:
            return Result(outcome=Outcome.FAILED, detail=str(missing))
        answer = await ask(self._session, "POST", self._settings.url, headers=JSON, data=body)
        return answer if isinstance(answer, Result) else _of_esms(answer, keys)

    def _body(self, phone: str, text: str, tracking_id: str, keys: Keyring) -> dict[str, str]:
        body = {
            "ApiKey": keys.look_up(self._settings.api_key),
            "SecretKey": keys.look_up(self._settings.secret_key),
            "Phone": phone,
            "Content": text,
            "Brandname": self._settings.brandname,
            "SmsType": SMS_TYPE,
            "IsUnicode": "0",
            "RequestId": tracking_id,
        }
        if self._settings.callback_url:
            body["CallbackUrl"] = keys.look_up(self._settings.callback_url)
        return body


def _of_esms(answer: Answer, keys: Keyring) -> Result:
    said = answer.fields
    code = str(said.get("CodeResult", ""))
    outcome = OF_ESMS.get(code, Outcome.FAILED) if answer.status == 200 else Outcome.FAILED
    if outcome is Outcome.ACCEPTED and str(said.get("SendStatus", "")) == REJECTED:
        outcome = Outcome.REFUSED
    return Result(
        outcome=outcome,
        detail=keys.shown(f"HTTP {answer.status} {code} {said.get('ErrorMessage') or ''}"),
        provider_id=keys.shown(said.get("SMSID") or ""),
    )


class HttpSender:
    """Any other provider, spoken to by a template."""

    def __init__(self, settings: HttpSms, session: aiohttp.ClientSession) -> None:
        """Raises ValueError for a body that is no JSON; the configuration has seen to that."""
        self._settings = settings
        self._session = session
        self._template = json.loads(settings.body)

    async def send(self, to: str, parcel: Parcel, tracking_id: str) -> Result:
        """Hand an SMS over."""
        if not isinstance(parcel, Sms):
            return NO_SMS
        if not (phone := international(to)):
            return NO_NUMBER
        keys, settings = Keyring(), self._settings
        values = {"phone": phone, "text": parcel.text, "tracking_id": tracking_id}
        try:
            headers = {name: _looked_up(value, keys) for name, value in settings.headers.items()}
            body = msgspec.json.encode(_filled(self._template, values, keys))
        except NoSecret as missing:
            return Result(outcome=Outcome.FAILED, detail=str(missing))
        answer = await ask(self._session, settings.method, settings.url, headers={**JSON, **headers}, data=body)
        return answer if isinstance(answer, Result) else self._judged(answer, keys)

    def _judged(self, answer: Answer, keys: Keyring) -> Result:
        settings = self._settings
        named = _searched(settings.provider_id, answer.body) if settings.provider_id else ""
        return Result(
            outcome=self._outcome(answer),
            detail=keys.shown(f"HTTP {answer.status} {_brief(answer.body)}"),
            provider_id=keys.shown(named) if isinstance(named, str | int) else "",
        )

    def _outcome(self, answer: Answer) -> Outcome:
        settings = self._settings
        if _searched(settings.refused, answer.body) if settings.refused else answer.status in PERMANENT:
            return Outcome.REFUSED
        taken = not settings.accepted or _searched(settings.accepted, answer.body)
        return Outcome.ACCEPTED if taken and 200 <= answer.status < 300 else Outcome.FAILED


def _filled(template: object, values: Mapping[str, str], keys: Keyring) -> object:
    """The template with its places and references filled in, in strings alone: what a value holds is never read."""
    if isinstance(template, str):
        if is_reference(template):
            return keys.look_up(template)
        return _PLACE.sub(lambda place: values[place[1]], template)
    if isinstance(template, dict):
        return {name: _filled(inner, values, keys) for name, inner in template.items()}
    return [_filled(inner, values, keys) for inner in template] if isinstance(template, list) else template


def _looked_up(value: str, keys: Keyring) -> str:
    return keys.look_up(value) if is_reference(value) else value


def _searched(expression: str, body: object) -> object:
    """What it finds; None where it does not fit the answer."""
    try:
        found: object = jmespath.search(expression, body)
    except (JMESPathError, TypeError, ValueError, RecursionError):
        return None
    return found


def _brief(body: object) -> str:
    return "" if body is None else json.dumps(body, ensure_ascii=False)
