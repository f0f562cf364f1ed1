import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.codecs.bigbluebutton import (
    MAX_ATTENDEES,
    MAX_MEETINGS,
    TEXT_CHARS,
    Answer,
    Attendee,
    BigBlueButtonError,
    Meeting,
    Reader,
    signed,
)

ONE = """<?xml version="1.0"?>
<response>
  <returncode>SUCCESS</returncode>
  <meetings>
    <meeting>
      <meetingName>Lễ phát động</meetingName><meetingID>hall</meetingID><running>true</running>
      <attendees>
        <attendee><userID>386-01</userID><fullName>Xã Mẫu 01</fullName><role>VIEWER</role></attendee>
        <attendee><userID>w_abc</userID><fullName> Thôn A &amp; B </fullName><role>MODERATOR</role></attendee>
      </attendees>
      <metadata><fullName>not a person</fullName></metadata>
    </meeting>
    <meeting><meetingName>Thử</meetingName><meetingID>test</meetingID><attendees/></meeting>
  </meetings>
</response>"""


def answer(xml: str | bytes, size: int = 1 << 20) -> Answer:
    data, reader = xml.encode() if isinstance(xml, str) else xml, Reader()
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
    return reader.close()


def test_checksum_is_of_name_query_and_secret() -> None:
    """The worked example of the API's documentation: createname=…&meetingID=…, here with a secret of ours."""
    query = "name=Test+Meeting&meetingID=abc123"
    expected = hashlib.sha1(f"create{query}secret".encode()).hexdigest()  # noqa: S324 - BigBlueButton's own
    assert signed("create", "secret", "sha1", name="Test Meeting", meetingID="abc123") == (
        f"create?{query}&checksum={expected}"
    )
    assert signed("getMeetings", "secret") == (
        f"getMeetings?checksum={hashlib.sha256(b'getMeetingssecret').hexdigest()}"
    )


def test_meetings_and_attendees_are_read() -> None:
    assert answer(ONE) == Answer(
        returncode="SUCCESS",
        meetings=[
            Meeting("hall", "Lễ phát động", [Attendee("Xã Mẫu 01", "386-01"), Attendee("Thôn A & B", "w_abc")]),
            Meeting("test", "Thử"),
        ],
    )


@given(st.integers(1, 200))
def test_answer_is_the_same_however_it_is_cut(size: int) -> None:
    assert answer(ONE, size) == answer(ONE)


def test_no_meetings_and_a_refusal_are_answers() -> None:
    none = answer(
        "<response><returncode>SUCCESS</returncode><meetings/><messageKey>noMeetings</messageKey>"
        "<message>no meetings were found on this server</message></response>"
    )
    assert (none.returncode, none.message_key, none.meetings) == ("SUCCESS", "noMeetings", [])
    refused = answer(
        "<response><returncode>FAILED</returncode><messageKey>checksumError</messageKey>"
        "<message><![CDATA[Checksums do not match]]></message></response>"
    )
    assert (refused.returncode, refused.message_key, refused.message) == (
        "FAILED",
        "checksumError",
        "Checksums do not match",
    )


def nested(inner: str) -> str:
    return f"<response><returncode>SUCCESS</returncode><meetings>{inner}</meetings></response>"


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "not xml",
        "<html><body>404</body></html>",
        "<response/>",
        "<response><returncode>MAYBE</returncode></response>",
        ONE[:-5],
        ONE + "x",
        '<?xml version="1.0" encoding="klingon"?><response/>',
        "<!DOCTYPE response SYSTEM 'http://127.0.0.1/'><response/>",
        '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><response><returncode>&b;</returncode></response>',
        "<a>" * 1000,
        f"<response><{'a' * 65}/></response>",
        "<a " + "b" * 100_000,
        "<!--" + "b" * 100_000,
        nested("<meeting/>" * (MAX_MEETINGS + 1)),
        nested(f"<meeting><attendees>{'<attendee/>' * (MAX_ATTENDEES + 1)}</attendees></meeting>"),
        b"\xff\xfe\x00",
        b"<response><returncode>\xff</returncode></response>",
    ],
    ids=lambda xml: ascii(xml[:40]),
)
def test_what_is_no_answer_is_refused(xml: str | bytes) -> None:
    """No entity is expanded, no document fetched, nothing held without bound."""
    with pytest.raises(BigBlueButtonError):
        answer(xml, 1000)


def test_an_overlong_name_is_cut() -> None:
    long = nested(f"<meeting><meetingName>{'ễ' * 10_000}</meetingName></meeting>")
    assert answer(long).meetings[0].name == "ễ" * TEXT_CHARS


@given(st.recursive(st.text(max_size=8), lambda inner: st.lists(inner, max_size=3), max_leaves=20))
def test_any_tree_of_its_elements_is_an_answer_or_refused(tree: Any) -> None:
    def written(node: Any, depth: int) -> str:
        tag = ("response", "meetings", "meeting", "attendees", "attendee", "fullName")[min(depth, 5)]
        inner = "".join(written(child, depth + 1) for child in node) if isinstance(node, list) else "x"
        return f"<{tag}>{inner}</{tag}>"

    with pytest.raises(BigBlueButtonError, match=r"returncode|XML"):
        answer(written(tree, 0))
