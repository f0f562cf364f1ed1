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

from monitor.alerting.receivers.exchange import Answer, NoSecret, ask, international, secret, shown
from monitor.core.notices import Outcome, Parcel, Result, Zns
from monitor.core.providers import Zalo

TOKEN_FILE = "zalo-token.json"  # noqa: S105 - where it stands, not what it is
DEFAULT = "default"
LONGEST_TRACKING_ID = 48
EARLY_S = 300.0
"""So long before its end a token is drawn anew."""
EXPIRED = frozenset({-124, -216, -14002, -14003})
"""Codes that mean: the access token is invalid or has expired."""
FOR_GOOD = frozenset({-108, -109, -112, -113, -114, -117, -118, -119, -130, -131, -132, -137, -139, -140, -148})
"""Codes about the number, its owner's wishes, or the template: no repetition mends them."""


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

    async def send(self, to: str, parcel: Parcel, tracking_id: str) -> Result:
        """Hand it over; once more with a new token where the old one had expired."""
        if not isinstance(parcel, Zns):
            return Result(outcome=Outcome.REFUSED, detail="no ZNS")
        templates = self._settings.templates
        template = templates.get(parcel.template, templates.get(DEFAULT, ""))
        if not template:
            return Result(outcome=Outcome.REFUSED, detail=f"no template for {parcel.template} in gateway.yaml")
        body = msgspec.json.encode(
            {
                "phone": international(to),
                "template_id": template,
                "template_data": parcel.data,
                "tracking_id": tracking_id[:LONGEST_TRACKING_ID],
            }
        )
        token, answer = await self._post(body, "")
        if isinstance(answer, Answer) and _code(answer) in EXPIRED:
            _, answer = await self._post(body, token)
        return answer if isinstance(answer, Result) else _judged(answer)

    async def _post(self, body: bytes, spoilt: str) -> tuple[str, Answer | Result]:
        """With a token other than the spoilt one: which it was, and what is said to it."""
        token = await self._token(spoilt)
        if isinstance(token, Result):
            return "", token
        headers = {"access_token": token, "Content-Type": "application/json"}
        return token, await ask(self._session, "POST", self._settings.url, headers=headers, data=body)

    async def _token(self, spoilt: str) -> str | Result:
        """An access token other than the spoilt one; one is drawn at a time."""
        async with self._drawing:
            try:
                first = secret(self._settings.refresh_token)
                kept = self._read(first)
                if kept.access_token not in ("", spoilt) and time.time() < kept.expires_at - EARLY_S:
                    return kept.access_token
                return await self._draw(kept, secret(self._settings.secret_key))
            except NoSecret as missing:
                return Result(outcome=Outcome.FAILED, detail=str(missing))
            except OSError as error:
                return Result(outcome=Outcome.FAILED, detail=f"{self._path.name} cannot be kept: {error.strerror}")

    async def _draw(self, kept: Tokens, key: str) -> str | Result:
        form = {
            "app_id": self._settings.app_id,
            "refresh_token": kept.refresh_token,
            "grant_type": "refresh_token",
        }
        answer = await ask(self._session, "POST", self._settings.oauth_url, headers={"secret_key": key}, form=form)
        if isinstance(answer, Result):
            return answer
        body = answer.body if isinstance(answer.body, Mapping) else {}
        access, refresh = body.get("access_token"), body.get("refresh_token")
        if not isinstance(access, str) or not isinstance(refresh, str) or not access or not refresh:
            said = shown(body.get("error_name") or body.get("error_description") or body.get("error") or "no token")
            return Result(outcome=Outcome.FAILED, detail=f"no new token: HTTP {answer.status} {said}")
        lasts = str(body.get("expires_in", "")).partition(".")[0]
        lasts_s = float(lasts) if lasts.isdecimal() and len(lasts) < 9 else 3600.0
        self._write(Tokens(refresh, access, time.time() + lasts_s, kept.first))
        return access

    def _read(self, first: str) -> Tokens:
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=Tokens)
        except (FileNotFoundError, msgspec.DecodeError):
            return Tokens(first, first=first)
        return kept if kept.first == first else Tokens(first, first=first)

    def _write(self, tokens: Tokens) -> None:
        """Whole or not at all, and its owner's alone. Raises OSError."""
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(msgspec.json.encode(tokens))
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(self._path)


def _code(answer: Answer) -> int | None:
    body = answer.body if isinstance(answer.body, Mapping) else {}
    found = body.get("error")
    return found if isinstance(found, int) else None


def _judged(answer: Answer) -> Result:
    code = _code(answer)
    body = answer.body if isinstance(answer.body, Mapping) else {}
    if answer.status == 200 and code == 0:
        data = body.get("data")
        named = data.get("msg_id", "") if isinstance(data, Mapping) else ""
        return Result(outcome=Outcome.ACCEPTED, provider_id=shown(named))
    outcome = Outcome.REFUSED if code in FOR_GOOD else Outcome.FAILED
    return Result(outcome=outcome, detail=shown(f"HTTP {answer.status} {code} {body.get('message', '')}"))
