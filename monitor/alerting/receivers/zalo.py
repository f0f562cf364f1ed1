"""Zalo ZNS: messages by approved templates, with an access token that lasts for a day and is drawn by a refresh token.

A refresh token holds once and gives the next one, so that one is written down, whole or not at all, before the access
token that came with it is used: a kill in between costs nothing. The first one comes from gateway.yaml.
https://developers.zalo.me/docs/official-account/bat-dau/xac-thuc-va-uy-quyen-cho-ung-dung-new,
https://developers.zalo.me/docs/zalo-notification-service/gui-tin-zns/gui-zns
"""

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import msgspec

from monitor.alerting.receivers.exchange import Answer, Keyring, NoSecret, ask, international
from monitor.core.notices import Outcome, Parcel, Result, Zns
from monitor.core.providers import Zalo

TOKEN_FILE = "zalo-token.json"  # noqa: S105 - where it stands, not what it is
DEFAULT = "default"
LONGEST_TRACKING_ID = 48
EARLY_S = 300.0
"""So long before its end a token is drawn anew."""
LASTS_S = 3600.0
"""Where Zalo does not say how long."""
EXPIRED = frozenset({-124, -216, -220})
"""The access token is wrong (ZNS, Official Account), or has expired."""
FOR_GOOD: Mapping[int, str] = {
    -108: "no phone number",
    -109: "no such template",
    -110: "a Zalo that is too old",
    -111: "no data for the template",
    -112: "data that do not fit the template",
    -114: "the user is inactive, or refuses",
    -116: "a text that is not allowed",
    -117: "a template that is not ours",
    -118: "no Zalo account",
    -119: "an account that cannot receive",
    -127: "a template that is only to be tried",
    -130: "a value that is too long",
    -131: "a template that is not approved",
    -132: "wrong parameters",
    -133: "not at night (22:00-06:00)",
    -139: "the user refuses such messages",
    -141: "the user refuses this account",
    -146: "a template that was disabled",
}
"""About the number, its owner's wishes, the template or the hour: no repetition mends them, the next channel may.

All others, as -115 and -144 (the quota is spent), -137 (no money) or -100 (unknown), are about us or about Zalo, and
open the circuit. https://zalo.cloud/zns/guidelines/handle-error-code
"""


class Tokens(msgspec.Struct):
    """What is written down."""

    refresh_token: str
    access_token: str = ""
    expires_at: float = 0.0
    first: str = ""
    """The first refresh token that it all began with: another one in the configuration begins anew."""


class ZaloSender:
    """Sends by templates, and keeps the tokens."""

    def __init__(self, settings: Zalo, state: Path, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._path = state / TOKEN_FILE
        self._session = session
        self._drawing = asyncio.Lock()
        self._unwritten: Tokens | None = None
        """Drawn, but not yet on the disk: without it there would be no way back in."""

    async def send(self, to: str, parcel: Parcel, tracking_id: str) -> Result:
        """Hand it over; once more with a new token where the old one had expired."""
        if not isinstance(parcel, Zns):
            return Result(outcome=Outcome.REFUSED, detail="no ZNS")
        templates = self._settings.templates
        template = templates.get(parcel.template, templates.get(DEFAULT, ""))
        if not template:
            return Result(outcome=Outcome.REFUSED, detail=f"no template for {parcel.template} in gateway.yaml")
        if not (phone := international(to)):
            return Result(outcome=Outcome.REFUSED, detail="the desk's number is no phone number")
        body = {
            "phone": phone,
            "template_id": template,
            "template_data": parcel.data,
            "tracking_id": tracking_id[:LONGEST_TRACKING_ID],
        }
        return await self._post(msgspec.json.encode(body))

    async def _post(self, body: bytes) -> Result:
        """At most twice, the second time with another token."""
        keys, token = Keyring(), ""
        answer: Answer | Result | None = None
        while answer is None or (isinstance(answer, Answer) and _code(answer) in EXPIRED):
            spoilt, found = token, await self._token(token, keys)
            if isinstance(found, Result):
                return found
            token = found
            headers = {"access_token": token, "Content-Type": "application/json"}
            answer = await ask(self._session, "POST", self._settings.url, headers=headers, data=body)
            if spoilt:
                break
        return answer if isinstance(answer, Result) else _judged(answer, keys)

    async def _token(self, spoilt: str, keys: Keyring) -> str | Result:
        """An access token other than the spoilt one; one is drawn at a time."""
        async with self._drawing:
            try:
                kept = self._kept(keys.look_up(self._settings.refresh_token))
                if kept.access_token not in ("", spoilt) and time.time() < kept.expires_at - EARLY_S:
                    return keys.hide(kept.access_token)
                return await self._draw(kept, keys)
            except NoSecret as missing:
                return Result(outcome=Outcome.FAILED, detail=str(missing))
            except OSError as error:
                return Result(outcome=Outcome.FAILED, detail=f"{self._path.name} cannot be kept: {error.strerror}")

    async def _draw(self, kept: Tokens, keys: Keyring) -> str | Result:
        """A new access token, once the refresh token that came with it is on the disk. Raises NoSecret, OSError."""
        headers = {"secret_key": keys.look_up(self._settings.secret_key)}
        form = {
            "app_id": self._settings.app_id,
            "refresh_token": keys.hide(kept.refresh_token),
            "grant_type": "refresh_token",
        }
        answer = await ask(self._session, "POST", self._settings.oauth_url, headers=headers, data=form)
        if isinstance(answer, Result):
            return answer
        said = answer.fields
        access, refresh = said.get("access_token"), said.get("refresh_token")
        if not isinstance(access, str) or not isinstance(refresh, str) or not access or not refresh:
            why = said.get("error_description") or said.get("error_name") or said.get("error") or ""
            return Result(outcome=Outcome.FAILED, detail=keys.shown(f"no new token: HTTP {answer.status} {why}"))
        self._unwritten = Tokens(refresh, access, time.time() + _lasts_s(said.get("expires_in")), kept.first)
        self._write()
        return keys.hide(access)

    def _kept(self, first: str) -> Tokens:
        """What is on the disk, where it goes back to this first token. Raises OSError."""
        self._write()
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=Tokens)
        except (FileNotFoundError, msgspec.DecodeError):
            return Tokens(first, first=first)
        return kept if kept.first == first else Tokens(first, first=first)

    def _write(self) -> None:
        """What is not yet written, whole or not at all, for its owner's eyes alone. Raises OSError."""
        if self._unwritten is None:
            return
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(msgspec.json.encode(self._unwritten))
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(self._path)
        self._unwritten = None


def _lasts_s(said: object) -> float:
    """Zalo writes a number, at times as text."""
    text = str(said).partition(".")[0]
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 9 else LASTS_S


def _code(answer: Answer) -> int | None:
    found = answer.fields.get("error")
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _judged(answer: Answer, keys: Keyring) -> Result:
    code, said = _code(answer), answer.fields
    if answer.status == 200 and code == 0:
        data = said.get("data")
        return Result(
            outcome=Outcome.ACCEPTED, provider_id=keys.shown(data.get("msg_id") or "") if isinstance(data, dict) else ""
        )
    outcome = Outcome.REFUSED if code in FOR_GOOD else Outcome.FAILED
    return Result(outcome=outcome, detail=keys.shown(f"HTTP {answer.status} {code} {said.get('message') or ''}"))
