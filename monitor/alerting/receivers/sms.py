"""SMS, through a provider's HTTP interface: one that speaks as eSMS does, or any other by a template.

eSMS: ``CodeResult`` 100 means accepted, not delivered; 101 wrong keys, 103 no money, 104 an unknown brandname, 99
unknown, 118 a wrong sort. What is about us may be put right and is tried again; what is about the number is for good.
https://developers.esms.vn/esms-api/ham-gui-tin/tin-nhan-sms-otp-cskh
"""

import json
from collections.abc import Mapping

import aiohttp
import jmespath
import msgspec
from jmespath.exceptions import JMESPathError

from monitor.alerting.receivers.exchange import Answer, NoSecret, ask, international, secret, shown
from monitor.core.notices import Outcome, Parcel, Result, Sms
from monitor.core.providers import Esms, HttpSms

ACCEPTED = "100"
WRONG_NUMBERS = frozenset({"108", "119", "131"})
"""Codes of eSMS that no repetition mends: the number or the text."""
SMS_TYPE = "2"
"""A brandname to customers (CSKH)."""
JSON = {"Content-Type": "application/json"}
NO_SMS = Result(outcome=Outcome.REFUSED, detail="no SMS")
PERMANENT = frozenset({400, 404, 422})


class EsmsSender:
    """A provider that speaks as eSMS does."""

    def __init__(self, settings: Esms, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session

    async def send(self, to: str, parcel: Parcel, tracking_id: str) -> Result:
        """Hand an SMS over; RequestId makes a repetition known."""
        if not isinstance(parcel, Sms):
            return NO_SMS
        try:
            body = {
                "ApiKey": secret(self._settings.api_key),
                "SecretKey": secret(self._settings.secret_key),
                "Phone": international(to),
                "Content": parcel.text,
                "Brandname": self._settings.brandname,
                "SmsType": SMS_TYPE,
                "IsUnicode": "0",
                "RequestId": tracking_id,
            }
        except NoSecret as missing:
            return Result(outcome=Outcome.FAILED, detail=str(missing))
        answer = await ask(self._session, "POST", self._settings.url, headers=JSON, data=msgspec.json.encode(body))
        return answer if isinstance(answer, Result) else _of_esms(answer)


def _of_esms(answer: Answer) -> Result:
    body = answer.body if isinstance(answer.body, Mapping) else {}
    code = str(body.get("CodeResult", ""))
    if answer.status == 200 and code == ACCEPTED:
        return Result(outcome=Outcome.ACCEPTED, provider_id=shown(body.get("SMSID", "")))
    outcome = Outcome.REFUSED if code in WRONG_NUMBERS else Outcome.FAILED
    return Result(outcome=outcome, detail=shown(f"HTTP {answer.status} {code} {body.get('ErrorMessage', '')}"))


class HttpSender:
    """Any other provider, spoken to by a template."""

    def __init__(self, settings: HttpSms, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session

    async def send(self, to: str, parcel: Parcel, tracking_id: str) -> Result:
        """Hand an SMS over."""
        if not isinstance(parcel, Sms):
            return NO_SMS
        settings = self._settings
        try:
            headers = {name: _looked_up(value) for name, value in settings.headers.items()}
        except NoSecret as missing:
            return Result(outcome=Outcome.FAILED, detail=str(missing))
        body = settings.body
        for place, value in (("phone", international(to)), ("tracking_id", tracking_id), ("text", parcel.text)):
            body = body.replace(f"{{{place}}}", json.dumps(value)[1:-1])
        answer = await ask(
            self._session, settings.method, settings.url, headers={**JSON, **headers}, data=body.encode()
        )
        return answer if isinstance(answer, Result) else self._judged(answer)

    def _judged(self, answer: Answer) -> Result:
        settings, detail = self._settings, shown(f"HTTP {answer.status} {_brief(answer.body)}")
        fine = 200 <= answer.status < 300
        if fine and (not settings.accepted or _searched(settings.accepted, answer.body)):
            found = _searched(settings.provider_id, answer.body) if settings.provider_id else ""
            return Result(outcome=Outcome.ACCEPTED, provider_id=shown(found or ""))
        refused = _searched(settings.refused, answer.body) if settings.refused else answer.status in PERMANENT
        return Result(outcome=Outcome.REFUSED if refused else Outcome.FAILED, detail=detail)


def _looked_up(value: str) -> str:
    return secret(value) if value.startswith(("file:", "env:")) else value


def _searched(expression: str, body: object) -> object:
    try:
        found: object = jmespath.search(expression, body)
    except (JMESPathError, TypeError, ValueError):
        return None
    return found


def _brief(body: object) -> str:
    return "" if body is None else json.dumps(body, ensure_ascii=False)
