"""Who carries the gateway's messages, and how they are spoken to: gateway.yaml. Pure.

Secrets are never values here but references: ``file:/run/secrets/zalo`` or ``env:ZALO_SECRET``. They are looked up each
time that they are used, so that a file that was rotated is in force at once.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Encryption(StrEnum):
    """How a mail server is spoken to."""

    NONE = "none"
    STARTTLS = "starttls"
    """RFC 3207: refused where the server does not offer it."""
    TLS = "tls"
    """From the first byte on (RFC 8314)."""


class Smtp(msgspec.Struct, frozen=True, kw_only=True):
    """A mail server."""

    host: str
    port: int = 25
    encryption: Encryption = Encryption.NONE
    sender: str
    user: str = ""
    password: str = ""
    """A reference; empty without a user."""


class Esms(msgspec.Struct, frozen=True, kw_only=True):
    """An SMS provider that speaks as eSMS does: ``SendMultipleMessage_V4_post_json``."""

    url: str
    brandname: str
    api_key: str
    """A reference."""
    secret_key: str
    """A reference."""
    callback_url: str = ""
    """A reference to where it says what became of a message, for that URL holds our key; empty for no receipts."""


class HttpSms(msgspec.Struct, frozen=True, kw_only=True):
    """Any other SMS provider with an HTTP interface."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = {}
    """A value may be a reference."""
    body: str
    """JSON with ``{phone}``, ``{text}``, ``{tracking_id}`` within its strings; one of them may be a reference."""
    accepted: str = ""
    """JMESPath over the answer that is true where it was accepted; without one any status of 2xx is."""
    provider_id: str = ""
    """JMESPath to the provider's own name for the message."""
    refused: str = ""
    """JMESPath that is true where it will never be accepted; without one a status of 400 or 422 is."""


class Zalo(msgspec.Struct, frozen=True, kw_only=True):
    """Zalo's notification service (ZNS)."""

    url: str = "https://business.openapi.zalo.me/message/template"
    oauth_url: str = "https://oauth.zaloapp.com/v4/oa/access_token"
    app_id: str
    secret_key: str
    """A reference."""
    refresh_token: str
    """A reference to the first one; each use gives another one, which is kept in the state directory."""
    templates: Mapping[str, str]
    """Ids of the approved templates, by what they tell: a Kind, or ``summary``; ``default`` for the rest."""


class Telegram(msgspec.Struct, frozen=True, kw_only=True):
    """The bot by which Alertmanager (0.26 or later) writes to the chats of desks."""

    bot_token: str
    """A reference to a file, as Alertmanager finds it."""


class Providers(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of gateway.yaml: what is left out is not sent through."""

    smtp: Smtp | None = None
    sms: Esms | HttpSms | None = None
    zalo: Zalo | None = None
    telegram: Telegram | None = None
