"""Reads gateway.yaml: the mail server, the SMS provider and Zalo. The file may be missing: then nothing is sent."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError
from msgspec import Meta

from monitor.configuration.decode import WRONG, decode
from monitor.configuration.errors import Errors, did_you_mean, quoted
from monitor.configuration.source import Section, find, read_yaml
from monitor.core.notices import Kind
from monitor.core.providers import Encryption, Esms, HttpSms, Providers, Smtp, Telegram, Zalo

FILE = "gateway.yaml"
DEFAULT = "default"
TEMPLATES = (*(kind.value for kind in Kind), "summary", DEFAULT)
PLACES = ("{phone}", "{text}")
METHODS = ("POST", "PUT")
REFERENCE = r"^(file:/\S.*|env:[A-Za-z_][A-Za-z0-9_]*)\Z"
WHERE = "where the secret is, file:/path or env:NAME; never the secret itself"
BY_ALERTMANAGER = "file:/path, which Alertmanager reads; never the secret itself"
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
"""RFC 9110, 5.6.2."""
REFERENCES = {
    "smtp": ("password",),
    "esms": ("api_key", "secret_key", "callback_url"),
    "zalo": ("secret_key", "refresh_token"),
}
SECRET_HEADER = re.compile(r"auth|key|token|secret|password", re.IGNORECASE)

Url = Annotated[str, Meta(pattern=r"^https?://[^\s/]+(/\S*)?\Z", max_length=500, description="an http or https URL")]
Reference = Annotated[str, Meta(max_length=500)]
"""Checked apart: an error must not repeat what may be the secret itself."""
Address = Annotated[
    str, Meta(pattern=r"^[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+\Z", max_length=254, description="an e-mail address")
]
Host = Annotated[str, Meta(pattern=r"^[^\s/:@\[\]]+\Z|^[0-9a-fA-F:.]+\Z", max_length=253, description="a host name")]
Port = Annotated[int, Meta(ge=1, le=65535, description="a port from 1 to 65535")]
Line = Annotated[str, Meta(min_length=1, max_length=100, description="1 to 100 characters")]
Template = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{1,50}\Z", description="the id of an approved template")]


class SmtpEntry(msgspec.Struct, frozen=True):
    """``smtp``. See :class:`monitor.core.providers.Smtp`."""

    host: Host
    sender: Address
    port: Port = 25
    encryption: Encryption = Encryption.NONE
    user: str = ""
    password: Reference | None = None


class EsmsEntry(msgspec.Struct, frozen=True):
    """``esms``. See :class:`monitor.core.providers.Esms`."""

    url: Url
    brandname: Line
    api_key: Reference
    secret_key: Reference
    callback_url: Reference | None = None


class SmsEntry(msgspec.Struct, frozen=True):
    """``sms``. See :class:`monitor.core.providers.HttpSms`."""

    url: Url
    body: str
    method: str = "POST"
    headers: dict[str, str] = {}
    accepted: str = ""
    provider_id: str = ""
    refused: str = ""


class ZaloEntry(msgspec.Struct, frozen=True):
    """``zalo``. See :class:`monitor.core.providers.Zalo`."""

    app_id: Line
    secret_key: Reference
    refresh_token: Reference
    templates: Annotated[dict[str, Template], Meta(min_length=1, description="at least one template")]
    url: Url = "https://business.openapi.zalo.me/message/template"
    oauth_url: Url = "https://oauth.zaloapp.com/v4/oa/access_token"


class TelegramEntry(msgspec.Struct, frozen=True):
    """``telegram``. See :class:`monitor.core.providers.Telegram`."""

    bot_token: Reference


class GatewayFile(msgspec.Struct, frozen=True):
    """The whole of gateway.yaml."""

    smtp: SmtpEntry | None = None
    esms: EsmsEntry | None = None
    sms: SmsEntry | None = None
    zalo: ZaloEntry | None = None
    telegram: TelegramEntry | None = None


def read(directory: Path, errors: Errors) -> Providers | None:
    """What ``gateway.yaml`` says; None with every error noted."""
    path = directory / FILE
    if not path.exists():
        return Providers()
    tree = read_yaml(path, errors)
    if tree is None:
        return None
    before = errors.total
    file = decode(tree, GatewayFile, errors)
    if file is WRONG:
        return None
    _check(tree, file, errors)
    return _providers(file) if errors.total == before else None


def _check(tree: Section, file: GatewayFile, errors: Errors) -> None:
    """What no single value shows, and what no error may repeat."""
    for section, names in REFERENCES.items():
        entry = getattr(file, section)
        for name in names:
            value = getattr(entry, name, None)
            if value is not None and not re.search(REFERENCE, value):
                errors.add(find(tree, section, name), f"{section}.{name}", WHERE, _hidden(value))
    if file.esms is not None and file.sms is not None:
        errors.add(find(tree, "sms"), "sms", "either esms or sms, for there is one SMS channel", "both")
    if file.telegram is not None and not file.telegram.bot_token.startswith("file:/"):
        place = find(tree, "telegram", "bot_token")
        errors.add(place, "telegram.bot_token", BY_ALERTMANAGER, _hidden(file.telegram.bot_token))
    if file.smtp is not None:
        _check_smtp(tree, file.smtp, errors)
    if file.sms is not None:
        _check_sms(tree, file.sms, errors)
    if file.zalo is not None:
        _check_templates(tree, file.zalo, errors)


def _check_smtp(tree: Section, smtp: SmtpEntry, errors: Errors) -> None:
    if bool(smtp.user) != (smtp.password is not None):
        here, missing = ("user", "password") if smtp.user else ("password", "user")
        errors.add(find(tree, "smtp", here), f"smtp.{here}", f"a {missing} beside it", "none")


def _check_sms(tree: Section, sms: SmsEntry, errors: Errors) -> None:
    if sms.method not in METHODS:
        errors.add(find(tree, "sms", "method"), "sms.method", " or ".join(METHODS), quoted(sms.method))
    for name, value in sms.headers.items():
        if (expected := _header_owes(name, value)) is not None:
            errors.add(find(tree, "sms", "headers", name), f"sms.headers.{name}", expected, _hidden(value))
    for expected, got in _body_owes(sms.body):
        errors.add(find(tree, "sms", "body"), "sms.body", expected, got)
    expressions = {"accepted": sms.accepted, "provider_id": sms.provider_id, "refused": sms.refused}
    for name, expression in expressions.items():
        if expression and not _is_expression(expression):
            expected = "a JMESPath expression over the answer, such as code == '100'"
            errors.add(find(tree, "sms", name), f"sms.{name}", expected, quoted(expression))


def _check_templates(tree: Section, zalo: ZaloEntry, errors: Errors) -> None:
    for name in zalo.templates:
        if name not in TEMPLATES:
            key, hint = f"zalo.templates.{name}", did_you_mean(name, TEMPLATES)
            place = find(tree, "zalo", "templates", name)
            errors.add(place, key, f"one of {', '.join(TEMPLATES)}", quoted(name), hint)
    missing = [name for name in TEMPLATES if name not in zalo.templates and name != DEFAULT]
    if missing and DEFAULT not in zalo.templates:
        place = find(tree, "zalo", "templates")
        errors.add(place, "zalo.templates", f"{DEFAULT}, or a template for each", f"none for {', '.join(missing)}")


def _header_owes(name: str, value: str) -> str | None:
    """What a header should be, where it is not."""
    if not HEADER.fullmatch(name):
        return "a value under the name of a header"
    refers = value.startswith(("file:", "env:"))
    if (refers or SECRET_HEADER.search(name)) and not re.search(REFERENCE, value):
        return WHERE
    return None


def _hidden(value: str) -> str:
    return f"{len(value)} characters"


def _body_owes(body: str) -> Iterator[tuple[str, str]]:
    """What the template should be and what it is, where that is not the same."""
    try:
        texts = list(_texts(json.loads(body)))
    except (ValueError, RecursionError):
        yield "JSON with {phone}, {text} and, if need be, {tracking_id} within its strings", "no JSON"
        return
    for place in PLACES:
        if not any(place in text for text in texts):
            yield f"JSON with {place} within a string", "none"
    for text in texts:
        if text.startswith(("file:", "env:")) and not re.search(REFERENCE, text):
            yield WHERE, _hidden(text)


def _texts(tree: object) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict | list):
        for inner in tree.values() if isinstance(tree, dict) else tree:
            yield from _texts(inner)


def _is_expression(text: str) -> bool:
    try:
        jmespath.compile(text)
    except (JMESPathError, RecursionError):
        return False
    return True


def _providers(file: GatewayFile) -> Providers:
    smtp, esms, sms, zalo, telegram = (None if entry is None else _set(entry) for entry in _entries(file))
    return Providers(
        smtp=None if smtp is None else Smtp(**smtp),
        sms=Esms(**esms) if esms is not None else None if sms is None else HttpSms(**sms),
        zalo=None if zalo is None else Zalo(**zalo),
        telegram=None if telegram is None else Telegram(**telegram),
    )


def _entries(file: GatewayFile) -> tuple[msgspec.Struct | None, ...]:
    return file.smtp, file.esms, file.sms, file.zalo, file.telegram


def _set(entry: msgspec.Struct) -> dict[str, Any]:
    """Its fields; what was left out is as the core has it."""
    return {name: value for name, value in msgspec.structs.asdict(entry).items() if value is not None}
