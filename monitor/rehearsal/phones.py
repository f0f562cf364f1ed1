"""Stands where the mail server, the SMS provider and Zalo would: what arrives here has reached a desk's phone.

The mail server is real (aiosmtpd); the others speak as eSMS and Zalo ZNS do, tokens that are drawn anew included. They
listen in the centre's namespace, where nobody else is, so that no message of a rehearsal reaches anybody.
"""

import asyncio
import re
import time
from contextlib import AsyncExitStack
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import yaml
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope

from monitor.core.contacts import Channel

SMTP_PORT, PROVIDER_PORT = 2525, 9096
TAKES_S = 0.1
"""A provider's answer is not there at once."""
TOKEN_LASTS_S = 3600
SECRETS = {"esms_api_key": "rehearsal", "esms_secret_key": "rehearsal", "zalo_secret_key": "rehearsal"}
"""By file; they open nothing."""
FIRST_TOKEN = "refresh-0"  # noqa: S105 - opens nothing
LINK = re.compile(r"https?://\S+/a/([A-Za-z0-9_-]+)")


class Arrival(msgspec.Struct, frozen=True):
    """A message has come to a desk."""

    at: float
    channel: Channel
    to: str
    """Address or number, as it arrived."""
    tracking_id: str
    """Empty for a mail that Alertmanager sent itself."""
    text: str
    """What is read: of a mail, its subject and plain text."""

    @property
    def token(self) -> str:
        """Of the link in it; empty without one."""
        found = LINK.search(self.text)
        return found[1] if found is not None else ""


def gateway_yaml(secrets: Path) -> str:
    """gateway.yaml that leads here. ``secrets``: the directory that :func:`write_secrets` has filled."""
    base = f"http://127.0.0.1:{PROVIDER_PORT}"
    reference = {name: f"file:{secrets.absolute() / name}" for name in (*SECRETS, "zalo_refresh_token")}
    told: dict[str, Any] = {
        "smtp": {"host": "127.0.0.1", "port": SMTP_PORT, "sender": "diem-cau@monitor.example.invalid"},
        "esms": {
            "url": f"{base}/esms",
            "brandname": "DIEN TAP",
            "api_key": reference["esms_api_key"],
            "secret_key": reference["esms_secret_key"],
        },
        "zalo": {
            "app_id": "000000",
            "secret_key": reference["zalo_secret_key"],
            "refresh_token": reference["zalo_refresh_token"],
            "templates": {"default": "000001"},
            "url": f"{base}/zalo",
            "oauth_url": f"{base}/oauth",
        },
    }
    return yaml.safe_dump(told, sort_keys=False)


def write_secrets(secrets: Path) -> None:
    """The files that gateway.yaml refers to."""
    secrets.mkdir(parents=True, exist_ok=True)
    for name, word in {**SECRETS, "zalo_refresh_token": FIRST_TOKEN}.items():
        (secrets / name).write_text(word, encoding="utf-8")


class Phones:
    """All phones of all desks."""

    def __init__(self) -> None:
        self.arrived: list[Arrival] = []
        self.news = asyncio.Event()
        """Set at each arrival."""
        self._refresh_token = FIRST_TOKEN
        self._drawn = 0

    async def open(self, stack: AsyncExitStack) -> None:
        """Listen until the stack is closed. Raises OSError."""
        server = await asyncio.get_running_loop().create_server(self._smtp, "127.0.0.1", SMTP_PORT)
        stack.callback(server.close)
        app = web.Application()
        app.add_routes(
            [web.post("/esms", self._esms), web.post("/zalo", self._zalo), web.post("/oauth", self._oauth)],
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", PROVIDER_PORT).start()

    def write(self, path: Path) -> None:
        """Each message, a line of JSON. Raises OSError."""
        path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in self.arrived))

    def _ring(self, channel: Channel, to: str, tracking_id: str, text: str) -> None:
        self.arrived.append(Arrival(time.time(), channel, to, tracking_id, text))
        self.news.set()

    # Mail

    def _smtp(self) -> SMTP:
        return SMTP(self, enable_SMTPUTF8=True)

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802
        """Aiosmtpd calls it for each mail."""
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        mail = message_from_bytes(raw, _class=EmailMessage, policy=policy.default)
        body = mail.get_body(("plain",))
        tracking_id = str(mail["Message-ID"] or "").strip("<>").partition("@")[0] if mail["Auto-Submitted"] else ""
        for to in envelope.rcpt_tos:
            text = f"{mail['Subject']}\n{body.get_content() if body is not None else ''}"
            self._ring(Channel.EMAIL, to, tracking_id, text)
        return "250 OK"

    # SMS

    async def _esms(self, request: web.Request) -> web.Response:
        said = await request.json()
        await asyncio.sleep(TAKES_S)
        if (said["ApiKey"], said["SecretKey"]) != (SECRETS["esms_api_key"], SECRETS["esms_secret_key"]):
            return web.json_response({"CodeResult": "101", "ErrorMessage": "Authorize Failed"})
        self._ring(Channel.SMS, said["Phone"], said["RequestId"], said["Content"])
        return web.json_response({"CodeResult": "100", "SMSID": f"s-{len(self.arrived)}"})

    # Zalo

    async def _zalo(self, request: web.Request) -> web.Response:
        said = await request.json()
        await asyncio.sleep(TAKES_S)
        if request.headers.get("access_token") != f"access-{self._drawn}" or not self._drawn:
            return web.json_response({"error": -124, "message": "Access token is invalid"})
        text = "\n".join(f"{name}: {value}" for name, value in said["template_data"].items())
        self._ring(Channel.ZALO, said["phone"], said["tracking_id"], text)
        return web.json_response({"error": 0, "message": "Success", "data": {"msg_id": f"z-{len(self.arrived)}"}})

    async def _oauth(self, request: web.Request) -> web.Response:
        said = await request.post()
        if said.get("refresh_token") != self._refresh_token:
            return web.json_response({"error": -14014, "error_name": "Invalid refresh token"})
        self._drawn += 1
        self._refresh_token = f"refresh-{self._drawn}"
        token = {"access_token": f"access-{self._drawn}", "refresh_token": self._refresh_token}
        return web.json_response(token | {"expires_in": str(TOKEN_LASTS_S)})
