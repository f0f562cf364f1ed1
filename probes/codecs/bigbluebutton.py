"""BigBlueButton's API: signs a call, and reads who takes part in which meeting.

https://docs.bigbluebutton.org/development/api: a call is signed by the hash of its name, its query and the shared
secret, in this order; the answer is XML, with status 200 even when it is a refusal. ``getMeetings`` lists all meetings
with their attendees. Sans-IO: the XML comes in pieces, so that a reader may do other things between two of them.
No entity is expanded, depth and numbers are bounded, and whatever is no such answer raises :class:`BigBlueButtonError`.
"""

import hashlib
from typing import Literal
from urllib.parse import urlencode
from xml.etree.ElementTree import ParseError

import msgspec
from defusedxml.ElementTree import XMLParser

from probes.model import Malformed

Digest = Literal["sha1", "sha256", "sha384", "sha512"]
DEPTH = 16
"""An answer has seven levels."""
TAG_CHARS = 64
TEXT_CHARS = 256
"""What is longer is cut: names of meetings and persons, and the words of a refusal."""
TOKEN_BYTES = 65_536
"""Of a tag or comment that does not end: expat reads it anew with each piece."""
MAX_MEETINGS = 5_000
MAX_ATTENDEES = 50_000

MEETING = "/response/meetings/meeting"
ATTENDEE = f"{MEETING}/attendees/attendee"


class BigBlueButtonError(Malformed):
    """These bytes are no answer of BigBlueButton, or a bigger one than there should ever be."""


class Attendee(msgspec.Struct):
    """Somebody who has joined."""

    name: str = ""
    user_id: str = ""
    """What the portal said of whom it sent; BigBlueButton's own invention where it said nothing."""


class Meeting(msgspec.Struct):
    """A meeting under way, and who has joined."""

    id: str = ""
    name: str = ""
    attendees: list[Attendee] = msgspec.field(default_factory=list)


class Answer(msgspec.Struct):
    """What the platform answered to ``getMeetings``."""

    returncode: str = ""
    """SUCCESS or FAILED."""
    message_key: str = ""
    """Why, in a word, such as checksumError or noMeetings."""
    message: str = ""
    meetings: list[Meeting] = msgspec.field(default_factory=list)


def signed(call: str, secret: str, digest: Digest = "sha256", **query: str) -> str:
    """The call with its query and checksum, to be put behind ``…/bigbluebutton/api/``."""
    asked = urlencode(query)
    checksum = hashlib.new(digest, f"{call}{asked}{secret}".encode("utf-8", "replace")).hexdigest()
    return f"{call}?{asked}&checksum={checksum}" if asked else f"{call}?checksum={checksum}"


class Reader:
    """XML in, in pieces; the answer out."""

    def __init__(self) -> None:
        self._target = _Target()
        self._parser = XMLParser(target=self._target, forbid_dtd=True)
        self._unread = 0

    def feed(self, data: bytes) -> None:
        """The next piece. Raises BigBlueButtonError."""
        before = self._target.events
        try:
            self._parser.feed(data)
        except (ParseError, ValueError, LookupError) as error:  # the last two: of an encoding that is none
            raise _refused(error) from error
        self._unread = self._unread + len(data) if self._target.events == before else 0
        if self._unread > TOKEN_BYTES:
            raise BigBlueButtonError(f"no answer of BigBlueButton: a tag or comment of more than {TOKEN_BYTES} bytes")

    def close(self) -> Answer:
        """The answer, which must now be whole. Raises BigBlueButtonError."""
        try:
            self._parser.close()
        except (ParseError, ValueError, LookupError) as error:
            raise _refused(error) from error
        if self._target.answer.returncode not in {"SUCCESS", "FAILED"}:
            raise BigBlueButtonError("no answer of BigBlueButton: without a returncode")
        return self._target.answer


def _refused(error: Exception) -> BigBlueButtonError:
    return error if isinstance(error, BigBlueButtonError) else BigBlueButtonError(f"no answer in XML: {error}")


class _Target:
    """Takes from the elements, by their path, what an answer holds."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.events = 0
        self._attendees = 0
        self._paths = [""]
        self._text: list[str] | None = None

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        """An element begins."""
        self.events += 1
        if len(self._paths) > DEPTH or len(tag) > TAG_CHARS:
            raise BigBlueButtonError("no answer of BigBlueButton: too deep, or names too long")
        path = f"{self._paths[-1]}/{tag}"
        self._paths.append(path)
        self._text = [] if path in FIELDS else None
        if path == MEETING:
            self._meet()
        elif path == ATTENDEE:
            self._attend()

    def data(self, text: str) -> None:
        """A piece of text."""
        self.events += 1
        if self._text is not None:
            self._text.append(text)

    def end(self, _tag: str) -> None:
        """An element ends."""
        self.events += 1
        path = self._paths.pop()
        if self._text is not None:
            part, field = FIELDS[path]
            setattr(self._parts()[part], field, "".join(self._text).strip()[:TEXT_CHARS])
            self._text = None

    def close(self) -> None:
        """The document ends."""

    def _parts(self) -> tuple[Answer, Meeting | None, Attendee | None]:
        """What is being read: the answer, its last meeting, and that one's last attendee."""
        meeting = self.answer.meetings[-1] if self.answer.meetings else None
        return self.answer, meeting, meeting.attendees[-1] if meeting and meeting.attendees else None

    def _meet(self) -> None:
        if len(self.answer.meetings) >= MAX_MEETINGS:
            raise BigBlueButtonError(f"more than {MAX_MEETINGS} meetings")
        self.answer.meetings.append(Meeting())

    def _attend(self) -> None:
        self._attendees += 1
        if self._attendees > MAX_ATTENDEES:
            raise BigBlueButtonError(f"more than {MAX_ATTENDEES} attendees")
        self.answer.meetings[-1].attendees.append(Attendee())


FIELDS = {
    "/response/returncode": (0, "returncode"),
    "/response/messageKey": (0, "message_key"),
    "/response/message": (0, "message"),
    f"{MEETING}/meetingID": (1, "id"),
    f"{MEETING}/meetingName": (1, "name"),
    f"{ATTENDEE}/fullName": (2, "name"),
    f"{ATTENDEE}/userID": (2, "user_id"),
}
"""By the path of an element, whose field its text is; the path is only reached inside of what it belongs to."""
