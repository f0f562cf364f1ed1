"""Reads gateway.yaml: the mail server, the SMS provider and Zalo. The file may be missing: then nothing is sent."""

import json
from pathlib import Path
from typing import Annotated

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError
from msgspec import Meta

from monitor.configuration.decode import WRONG, decode
from monitor.configuration.errors import Errors, quoted
from monitor.configuration.source import Section, find, read_yaml
from monitor.core.notices import Kind
from monitor.core.providers import Encryption, Esms, HttpSms, Providers, Smtp, Zalo

FILE = "gateway.yaml"
TEMPLATES = (*(kind.value for kind in Kind), "summary", "default")
PLACES = ("{phone}", "{text}", "{tracking_id}")
MASK = "x"

Url = Annotated[str, Meta(pattern=r"^https?://[^\s/]+(/\S*)?\Z", max_length=500, description="an http or https URL")]
Reference = Annotated[
    str,
    Meta(
        pattern=r"^(file:/\S.*|env:[A-Za-z_][A-Za-z0-9_]*)\Z",
        max_length=500,
        description="where the secret is, file:/path or env:NAME; never the secret itself",
    ),
]
Address = Annotated[
    str, Meta(pattern=r"^[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+\Z", max_length=254, description="an e-mail address")
]
Host = Annotated[str, Meta(pattern=r"^[^\s/:@]+\Z|^\[?[0-9a-fA-F:.]+\]?\Z", max_length=253, description="a host name")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Line = Annotated[str, Meta(min_length=1, max_length=100, description="1 to 100 characters")]


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
    templates: dict[str, str]
    url: Url = "https://business.openapi.zalo.me/message/template"
    oauth_url: Url = "https://oauth.zaloapp.com/v4/oa/access_token"


class GatewayFile(msgspec.Struct, frozen=True):
    """The whole of gateway.yaml."""

    smtp: SmtpEntry | None = None
    esms: EsmsEntry | None = None
    sms: SmsEntry | None = None
    zalo: ZaloEntry | None = None


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
    if file.esms is not None and file.sms is not None:
        errors.add(find(tree, "sms"), "sms", "either esms or sms, for there is one SMS channel", "both")
    if file.sms is not None:
        _check_sms(tree, file.sms, errors)
    for name in file.zalo.templates if file.zalo is not None else ():
        if name not in TEMPLATES:
            key = f"zalo.templates.{name}"
            errors.add(find(tree, "zalo", "templates", name), key, f"one of {', '.join(TEMPLATES)}", quoted(name))


def _check_sms(tree: Section, sms: SmsEntry, errors: Errors) -> None:
    if sms.method not in ("POST", "PUT"):
        errors.add(find(tree, "sms", "method"), "sms.method", "POST or PUT", quoted(sms.method))
    missing = [place for place in PLACES[:2] if place not in sms.body]
    filled = sms.body
    for place in PLACES:
        filled = filled.replace(place, MASK)
    if missing or not _is_json(filled):
        expected = "JSON that has {phone} and {text}, and may have {tracking_id}, within its strings"
        errors.add(find(tree, "sms", "body"), "sms.body", expected, f"no {missing[0]}" if missing else "no JSON")
    expressions = {"accepted": sms.accepted, "provider_id": sms.provider_id, "refused": sms.refused}
    for name, expression in expressions.items():
        if expression and not _is_expression(expression):
            expected = "a JMESPath expression over the answer, such as code == '100'"
            errors.add(find(tree, "sms", name), f"sms.{name}", expected, quoted(expression))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _is_expression(text: str) -> bool:
    try:
        jmespath.compile(text)
    except (JMESPathError, RecursionError):
        return False
    return True


def _providers(file: GatewayFile) -> Providers:
    sms = Esms(**msgspec.structs.asdict(file.esms)) if file.esms is not None else None
    smtp = None
    if file.smtp is not None:
        smtp = Smtp(**msgspec.structs.asdict(file.smtp) | {"password": file.smtp.password or ""})
    return Providers(
        smtp=smtp,
        sms=sms if file.sms is None else HttpSms(**msgspec.structs.asdict(file.sms)),
        zalo=Zalo(**msgspec.structs.asdict(file.zalo)) if file.zalo is not None else None,
    )
