"""What a server may send as the answer to getMeetings."""

from probes.codecs.bigbluebutton import BigBlueButtonError, Reader

ERROR = BigBlueButtonError
HALL = """<response><returncode>SUCCESS</returncode><meetings><meeting><meetingName>Lễ phát động</meetingName>
<meetingID>hall</meetingID><running>true</running><participantCount>2</participantCount><attendees>
<attendee><userID>386-01</userID><fullName>Xã Mẫu 01</fullName><role>VIEWER</role></attendee>
<attendee><userID>w_x1</userID><fullName>A &amp; B &#x1EAB;</fullName><role>MODERATOR</role></attendee></attendees>
<metadata><origin>portal</origin></metadata></meeting></meetings></response>"""
NOBODY = """<response><returncode>SUCCESS</returncode><meetings/><messageKey>noMeetings</messageKey>
<message>no meetings were found on this server</message></response>"""
REFUSED = """<response><returncode>FAILED</returncode><messageKey>checksumError</messageKey>
<message><![CDATA[Checksums do not match]]></message></response>"""
SEEDS = (
    HALL.encode(),
    f'<?xml version="1.0" encoding="UTF-8"?>\n{HALL}'.encode(),
    f'<?xml version="1.0" encoding="utf-16"?>{NOBODY}'.encode("utf-16"),
    NOBODY.encode(),
    REFUSED.encode(),
)


def feed(data: bytes) -> None:
    """In two pieces."""
    reader = Reader()
    reader.feed(data[:100])
    reader.feed(data[100:])
    reader.close()
