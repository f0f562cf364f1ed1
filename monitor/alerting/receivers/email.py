"""Mails, through a server of one's own (SMTP, RFC 5321). Accepted by it is not yet read; mail has no receipts.

A code of 5xx about the recipient or the text is for good, 4xx may pass (RFC 5321, 4.2.1); about us (a password, the
sender, the greeting) either may be put right while we try again. Message-ID is the tracking id: a mail that is sent
twice because of a crash is one to mail clients.
"""

import asyncio
from email.message import EmailMessage
from email.utils import formatdate

import aiosmtplib

from monitor.alerting.receivers.exchange import Keyring, NoSecret
from monitor.core.notices import Mail, Outcome, Parcel, Result
from monitor.core.providers import Encryption, Smtp

TIMEOUT_S = 5.0
PERMANENT = 500
ABOUT_IT = (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError)
"""The recipient, the text: all other answers are about us."""


class Mailer:
    """A connection for each mail: they are few."""

    def __init__(self, settings: Smtp) -> None:
        self._settings = settings

    async def send(self, to: str, parcel: Parcel, tracking_id: str) -> Result:
        """Hand a mail to the server."""
        if not isinstance(parcel, Mail):
            return Result(outcome=Outcome.REFUSED, detail="no mail")
        keys = Keyring()
        try:
            message = self._message(to, parcel, tracking_id)
        except Exception as error:  # noqa: BLE001 - an address that no mail can have
            return Result(outcome=Outcome.REFUSED, detail=keys.shown(f"{type(error).__name__} {error}"))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                said = await self._hand_over(message, keys)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is a result
            return _judged(error, keys)
        return Result(outcome=Outcome.ACCEPTED, detail=keys.shown(said))

    async def _hand_over(self, message: EmailMessage, keys: Keyring) -> str:
        """What the server says when it takes it."""
        settings = self._settings
        _, said = await aiosmtplib.send(
            message,
            hostname=settings.host,
            port=settings.port,
            username=settings.user or None,
            password=keys.look_up(settings.password) if settings.password else None,
            use_tls=settings.encryption is Encryption.TLS,
            start_tls=settings.encryption is Encryption.STARTTLS,
            timeout=TIMEOUT_S,
        )
        return said

    def _message(self, to: str, mail: Mail, tracking_id: str) -> EmailMessage:
        """Raises what :mod:`email` raises for headers that cannot be."""
        message = EmailMessage()
        domain = self._settings.sender.partition("@")[2]
        message["Subject"] = " ".join(mail.subject.split())
        message["From"], message["To"] = self._settings.sender, to
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{tracking_id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message


def _judged(error: Exception, keys: Keyring) -> Result:
    """A code about this mail says whether it is for good; all else may pass."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPResponseException):
        lasting = error.code >= PERMANENT and isinstance(error, ABOUT_IT)
        outcome = Outcome.REFUSED if lasting else Outcome.FAILED
        return Result(outcome=outcome, detail=keys.shown(f"{error.code} {error.message}"))
    if isinstance(error, TimeoutError):
        return Result(outcome=Outcome.FAILED, detail=f"no answer within {TIMEOUT_S:g} s")
    if isinstance(error, NoSecret):
        return Result(outcome=Outcome.FAILED, detail=str(error))
    return Result(outcome=Outcome.FAILED, detail=keys.shown(f"{type(error).__name__} {error}"))
