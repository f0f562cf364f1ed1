"""Each channel against what answers it: a real mail server; providers that refuse, fail, stall and talk nonsense."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes, policy
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerting.receivers import exchange
from monitor.alerting.receivers.email import Mailer
from monitor.alerting.receivers.exchange import Keyring, NoSecret, international
from monitor.alerting.receivers.receipts import receipt, reply
from monitor.alerting.receivers.sms import EsmsSender, HttpSender
from monitor.alerting.receivers.zalo import TOKEN_FILE, ZaloSender
from monitor.core.contacts import Channel
from monitor.core.notices import Mail, Outcome, Refused, Result, Sms, Zns
from monitor.core.providers import Encryption, Esms, HttpSms, Smtp, Zalo

MAIL = Mail("[SỰ CỐ] Mất điện: Lộ 473", "Mất điện từ 07:05\nhttps://dc.example.invalid/a/x", "<p>Mất điện</p>")
TO = "truc@dien-luc.example.invalid"
Answers = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Postmaster:
    """The mail server's side."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.refuse: dict[str, str] = {}
        """What to say instead of yes, by command."""

    async def handle_RCPT(self, _s: object, _e: object, envelope: Envelope, address: str, _o: object) -> str:  # noqa: N802
        """Whether this address is one."""
        if "RCPT" in self.refuse:
            return self.refuse["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802
        """A mail."""
        if "DATA" in self.refuse:
            return self.refuse["DATA"]
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content)
        return "250 OK queued"

    def authenticator(self, *login: object) -> AuthResult:
        """One password opens."""
        data = login[-1]
        return AuthResult(success=isinstance(data, LoginPassword) and data.password == b"open sesame", handled=False)


@asynccontextmanager
async def smtp(postmaster: Postmaster, **options: object) -> AsyncIterator[int]:
    """Aiosmtpd on a free port."""
    made: dict[str, object] = {"enable_SMTPUTF8": True, **options}
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(postmaster, **made),
        "127.0.0.1",
        0,  # type: ignore[arg-type]
    )
    yield server.sockets[0].getsockname()[1]
    server.close()


def settings(port: int, **more: object) -> Smtp:
    return Smtp(host="127.0.0.1", port=port, sender="diem-cau@monitor.example.invalid", **more)  # type: ignore[arg-type]


async def test_a_mail_is_both_texts_under_its_tracking_id() -> None:
    postmaster = Postmaster()
    async with smtp(postmaster) as port:
        result = await Mailer(settings(port)).send(TO, MAIL, "t-1")
    assert (result.outcome, result.detail) == (Outcome.ACCEPTED, "OK queued")
    (raw,) = postmaster.mails
    mail = message_from_bytes(raw, policy=policy.default)
    assert (str(mail["Subject"]), mail["To"]) == (MAIL.subject, TO)
    assert (mail["Message-ID"], mail["Auto-Submitted"]) == ("<t-1@monitor.example.invalid>", "auto-generated")
    assert [part.get_content_type() for part in mail.walk()][1:] == ["text/plain", "text/html"]


@pytest.fixture
def certificate(program: Callable[[str], Path], tmp_path: Path) -> tuple[Path, Path]:
    """Self-signed, for 127.0.0.1; and its key."""
    pem, key = tmp_path / "c.pem", tmp_path / "k.pem"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", pem]
    subprocess.run([program("openssl"), "req", *kind, *names], check=True, capture_output=True, timeout=60)
    return pem, key


async def test_with_starttls(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only to a server whose certificate somebody has signed whom the machine trusts."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*certificate)
    postmaster = Postmaster()
    async with smtp(postmaster, tls_context=tls, require_starttls=True) as port:
        mailer = Mailer(settings(port, encryption=Encryption.STARTTLS))
        distrusted = await mailer.send(TO, MAIL, "t")
        assert (distrusted.outcome, postmaster.mails) == (Outcome.FAILED, [])
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert (await mailer.send(TO, MAIL, "t")).outcome is Outcome.ACCEPTED
    assert len(postmaster.mails) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_with_a_password() -> None:
    """A wrong one is no fault of the mail: it may be put right while we try again."""
    postmaster = Postmaster()
    options = {"authenticator": postmaster.authenticator, "auth_require_tls": False, "auth_required": True}
    async with smtp(postmaster, **options) as port:
        outcomes = []
        for word in ("wrong horse", "open sesame"):
            with pytest.MonkeyPatch.context() as patched:
                patched.setenv("SMTP_WORD", word)
                mailer = Mailer(settings(port, user="diem-cau", password="env:SMTP_WORD"))  # noqa: S106
                result = await mailer.send(TO, MAIL, "t")
            outcomes.append(result.outcome)
            assert word not in result.detail, result
    assert outcomes == [Outcome.FAILED, Outcome.ACCEPTED], result


@pytest.mark.parametrize(
    ("command", "said", "outcome"),
    [
        ("RCPT", "550 no such user", Outcome.REFUSED),
        ("RCPT", "451 greylisted, come again", Outcome.FAILED),
        ("DATA", "554 looks like spam", Outcome.REFUSED),
        ("DATA", "452 disk full", Outcome.FAILED),
    ],
)
async def test_what_the_mail_server_says_decides(command: str, said: str, outcome: Outcome) -> None:
    postmaster = Postmaster()
    postmaster.refuse[command] = said
    async with smtp(postmaster) as port:
        result = await Mailer(settings(port)).send(TO, MAIL, "t")
    assert (result.outcome, said in result.detail) == (outcome, True)


async def test_a_mail_server_that_is_not_there_or_no_address(unused: int) -> None:
    assert (await Mailer(settings(unused)).send(TO, MAIL, "t")).outcome is Outcome.FAILED
    assert (await Mailer(settings(unused)).send("a\nBcc: b", MAIL, "t")).outcome is Outcome.REFUSED
    assert (await Mailer(settings(unused)).send(TO, Sms("x"), "t")).outcome is Outcome.REFUSED


# Over HTTP


@pytest.fixture
def unused() -> int:
    """A port where nobody listens."""
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """In the environment."""
    known = {"KEY": "api-key-1234", "WORD": "secret-key-1234", "REFRESH": "refresh-token-0"}
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    return known


@asynccontextmanager
async def provider(answer: Answers) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """A provider that answers every path so; its URL and a session."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", session
    await runner.cleanup()


def esms(url: str) -> Esms:
    return Esms(url=url, brandname="SO KHCN", api_key="env:KEY", secret_key="env:WORD")  # noqa: S106


async def sent_by_esms(answer: Answers) -> Result:
    async with provider(answer) as (url, session):
        return await EsmsSender(esms(url), session).send("0000 000 001", Sms("Mat dien"), "t-1")


def says(body: object, status: int = 200) -> Answers:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    return answer


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (says({"CodeResult": "100", "SMSID": "s-1"}), Outcome.ACCEPTED),
        (says({"CodeResult": 124, "SMSID": "s-1"}), Outcome.ACCEPTED),
        (says({"CodeResult": "108", "ErrorMessage": "Phone not valid"}), Outcome.REFUSED),
        (says({"CodeResult": "146"}), Outcome.REFUSED),
        (says({"CodeResult": "101", "ErrorMessage": "Authorize Failed"}), Outcome.FAILED),
        (says({"CodeResult": "103"}), Outcome.FAILED),
        (says({"CodeResult": "100"}, 500), Outcome.FAILED),
        (says([1, 2]), Outcome.FAILED),
        (says(None), Outcome.FAILED),
    ],
)
async def test_what_esms_says_decides(answer: Answers, outcome: Outcome) -> None:
    assert (await sent_by_esms(answer)).outcome is outcome


async def test_esms_is_told_the_number_the_text_and_our_name_for_it() -> None:
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.json_response({"CodeResult": "100", "SMSID": "s-1"})

    result = await sent_by_esms(answer)
    assert (result.outcome, result.provider_id) == (Outcome.ACCEPTED, "s-1")
    (body,) = asked
    wanted = {"Phone": "84000000001", "Content": "Mat dien", "RequestId": "t-1", "Brandname": "SO KHCN"}
    assert wanted.items() <= body.items()
    assert (body["ApiKey"], body["SecretKey"]) == ("api-key-1234", "secret-key-1234")


async def test_a_secret_that_is_echoed_is_not_repeated() -> None:
    echo = {"CodeResult": "101", "ErrorMessage": "no such key: api-key-1234 / secret-key-1234"}
    result = await sent_by_esms(says(echo))
    assert "no such key: ••• / •••" in result.detail


async def test_an_answer_that_stalls_or_has_no_end_or_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "TIMEOUT", aiohttp.ClientTimeout(total=0.2))

    async def stalls(_request: web.Request) -> web.Response:
        await asyncio.sleep(2)
        return web.Response()

    async def has_no_end(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(20):
            await response.write(b'{"CodeResult": "100",' + b" " * 8192)
        return response

    async def is_cut_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b'{"CodeResult":')
        assert request.transport is not None
        request.transport.close()
        return response

    for answer in (stalls, has_no_end, is_cut_off):
        assert (await sent_by_esms(answer)).outcome is Outcome.FAILED, answer.__name__


async def test_an_answer_in_pieces_is_read_whole() -> None:
    async def in_pieces(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b'{"Code', b'Result": "1', b'00"}'):
            await response.write(piece)
            await asyncio.sleep(0.01)
        return response

    assert (await sent_by_esms(in_pieces)).outcome is Outcome.ACCEPTED


async def test_a_closed_session_is_a_failure_and_raises_nothing() -> None:
    session = aiohttp.ClientSession()
    await session.close()
    result = await EsmsSender(esms("http://127.0.0.1:9/"), session).send("0000 000 001", Sms("x"), "t")
    assert result.outcome is Outcome.FAILED


async def test_any_other_provider_by_a_template() -> None:
    """Places are filled in strings alone: what a text holds is never read as JSON, nor as another place."""
    asked: list[tuple[str, object]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.headers["Authorization"], await request.json()))
        return web.json_response({"status": "ok", "id": 17})

    settings_ = {
        "headers": {"Authorization": "env:WORD"},
        "body": '{"to": "{phone}", "say": ["{text}", "{tracking_id}"], "key": "env:KEY"}',
        "accepted": "status == 'ok'",
        "refused": "status == 'bad_number'",
        "provider_id": "id",
    }
    text = 'Mat dien "Lo 473" {phone}\\'
    async with provider(answer) as (url, session):
        sender = HttpSender(HttpSms(url=url, **settings_), session)  # type: ignore[arg-type]
        result = await sender.send("0000 000 001", Sms(text), "t-1")
    assert (result.outcome, result.provider_id) == (Outcome.ACCEPTED, "17")
    assert asked == [("secret-key-1234", {"to": "84000000001", "say": [text, "t-1"], "key": "api-key-1234"})]


@pytest.mark.parametrize(
    ("body", "status", "outcome"),
    [
        ({"status": "ok"}, 200, Outcome.ACCEPTED),
        ({"status": "busy"}, 200, Outcome.FAILED),
        ({"status": "bad_number"}, 400, Outcome.REFUSED),
        ({"status": "ok"}, 503, Outcome.FAILED),
        ("nonsense", 200, Outcome.FAILED),
    ],
)
async def test_expressions_over_its_answer_decide(body: object, status: int, outcome: Outcome) -> None:
    expressions = {"accepted": "status == 'ok'", "refused": "status == 'bad_number'"}
    async with provider(says(body, status)) as (url, session):
        sender = HttpSender(HttpSms(url=url, body='{"a": "{phone}{text}"}', **expressions), session)
        assert (await sender.send("0000 000 001", Sms("x"), "t")).outcome is outcome


class ZaloStandIn:
    """Tokens hold once; messages need the latest."""

    def __init__(self) -> None:
        self.drawn = 0
        self.refresh = "refresh-token-0"
        self.messages: list[dict[str, object]] = []
        self.code = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """As Zalo."""
        if request.path == "/oauth":
            if (await request.post()).get("refresh_token") != self.refresh:
                return web.json_response({"error": -14014, "error_name": "Invalid refresh token"})
            self.drawn += 1
            self.refresh = f"refresh-token-{self.drawn}"
            return web.json_response(
                {"access_token": f"access-{self.drawn}", "refresh_token": self.refresh, "expires_in": "90000"}
            )
        if request.headers["access_token"] != f"access-{self.drawn}":
            return web.json_response({"error": -124, "message": "invalid access token"})
        self.messages.append(await request.json())
        return web.json_response({"error": self.code, "message": "as told", "data": {"msg_id": "z-1"}})


def zalo(url: str) -> Zalo:
    return Zalo(
        url=f"{url}/zns",
        oauth_url=f"{url}/oauth",
        app_id="1",
        secret_key="env:WORD",  # noqa: S106
        refresh_token="env:REFRESH",  # noqa: S106
        templates={"opened": "11", "default": "99"},
    )


async def test_zalo_draws_its_tokens_and_remembers_them(tmp_path: Path) -> None:
    """One for many messages, at once; a new one when the old no longer holds; after a restart the last."""
    there = ZaloStandIn()
    async with provider(there.answer) as (url, session):
        sender = ZaloSender(zalo(url), tmp_path, session)
        sending = (sender.send("0000 000 001", Zns("opened", {"a": "b"}), f"t-{n}") for n in range(5))
        results = await asyncio.gather(*sending)
        assert {(result.outcome, result.provider_id) for result in results} == {(Outcome.ACCEPTED, "z-1")}
        assert there.drawn == 1
        assert (tmp_path / TOKEN_FILE).stat().st_mode & 0o077 == 0
        there.drawn += 1  # its token holds no longer
        there.refresh = "refresh-token-1"
        again = ZaloSender(zalo(url), tmp_path, session)
        assert (await again.send("0000 000 001", Zns("resolved", {}), "t-9")).outcome is Outcome.ACCEPTED
    assert there.messages[-1]["template_id"] == "99"
    assert there.messages[0] | {"tracking_id": ""} == {
        "phone": "84000000001", "template_id": "11", "template_data": {"a": "b"}, "tracking_id": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "outcome"), [(-118, Outcome.REFUSED), (-133, Outcome.REFUSED), (-144, Outcome.FAILED), (7, Outcome.FAILED)]
)
async def test_what_zalo_says_decides(tmp_path: Path, code: int, outcome: Outcome) -> None:
    there = ZaloStandIn()
    there.code = code
    async with provider(there.answer) as (url, session):
        assert (
            await ZaloSender(zalo(url), tmp_path, session).send("0000 000 001", Zns("x", {}), "t")
        ).outcome is outcome


async def test_a_refresh_token_that_does_not_hold_is_said_without_it(tmp_path: Path) -> None:
    there = ZaloStandIn()
    there.refresh = "another one"
    async with provider(there.answer) as (url, session):
        result = await ZaloSender(zalo(url), tmp_path, session).send("0000 000 001", Zns("x", {}), "t")
    assert (result.outcome, result.detail) == (Outcome.FAILED, "no new token: HTTP 200 Invalid refresh token")


# Pure


@pytest.mark.parametrize(
    ("written", "number"),
    [("0912 000 384", "84912000384"), ("+84 (0)912000384", "84912000384"), ("0084912000384", "84912000384"),
     ("912000384", "84912000384"), ("+8562055512", "8562055512"), ("12", ""), ("x", "")],
)  # fmt: skip
def test_numbers_as_providers_write_them(written: str, number: str) -> None:
    assert international(written) == number


def test_a_secret_is_read_anew_and_never_empty(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    for content in (None, b"", b"\xff\xfe"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(NoSecret):
            Keyring().look_up(f"file:{path}")
    path.write_text(" word\n")
    assert Keyring().look_up(f"file:{path}") == "word"


ESMS = {"SMSID": "s-1", "RequestId": "t-1"}


@pytest.mark.parametrize(
    ("channel", "body", "query", "found"),
    [
        (Channel.SMS, b"", {**ESMS, "SendStatus": "5", "SendSuccess": "1"}, ("t-1", Outcome.DELIVERED)),
        (Channel.SMS, b"", {**ESMS, "SendStatus": "5", "SendFailed": "1"}, ("t-1", Outcome.REFUSED)),
        (Channel.SMS, b"", {**ESMS, "SendStatus": "2"}, ("t-1", Outcome.ACCEPTED)),
        (Channel.SMS, b'{"reference": "t-1", "delivered": false}', {}, ("t-1", Outcome.REFUSED)),
        (Channel.ZALO, b'{"event_name": "user_received_message", "message": {"tracking_id": "t-1"}}', {},
         ("t-1", Outcome.DELIVERED)),
    ],
)  # fmt: skip
def test_receipts(channel: Channel, body: bytes, query: dict[str, str], found: tuple[str, Outcome]) -> None:
    read = receipt(channel, body, query)
    assert (read.reference, read.outcome) == found


@given(st.sampled_from(Channel), st.binary(max_size=200) | st.just(b""), st.dictionaries(st.text(), st.text()))
def test_whatever_comes_as_a_receipt_or_reply_is_one_or_refused(
    channel: Channel, body: bytes, query: dict[str, str]
) -> None:
    for read in (lambda: receipt(channel, body, query).reference, lambda: "".join(reply(body, query))):
        with suppress(Refused):
            assert read().isprintable()


def test_a_reply_in_anybodys_words() -> None:
    assert reply(b'{"phone": "0912", "text": "TN 1234"}', {}) == ("0912", "TN 1234")
    assert reply(b"", {"Sender": "0912", "Content": "1234"}) == ("0912", "1234")
