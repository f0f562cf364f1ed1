"""What is said, by example, on every channel."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerting.texts import render
from monitor.alerting.texts.changes import changes
from monitor.alerting.texts.sms import LONGEST, PLAIN, unaccented
from monitor.alerting.texts.story import span, story_of
from monitor.core.contacts import Channel, Company, Desk
from monitor.core.notices import Form, Kind, Letter, Mail, Notice, Sms, Story, Zns

NOW = 1_746_663_123.0
"""07:12:03 on 8 May 2025."""
REPLY = ". Tra loi TN 4821 https://dc.example.invalid/a/AAAAAWgbxxxxxxxxxxxxxx"
LINK = "https://dc.example.invalid/a/AAAAAWgbxxxxxxxxxxxxxx"
DESK = Desk(
    id="dl-muong-lat",
    title="Trực Điện lực Mường Lát",
    company=Company.POWER,
    channels=(Channel.SMS, Channel.EMAIL),
    phone="0000 000 384",
    email="muong-lat@dien-luc.example.invalid",
)
LABELS = {
    "alertname": "Incident",
    "incident": "power:feeder-384-1",
    "cause": "power",
    "power_operator": "Điện lực Mường Lát",
    "severity": "critical",
    "district_name": "Huyện Mường Lát",
}
SAID = {
    "title": "Mất điện: Lộ 373 E9.25",
    "owner": "Điện lực Mường Lát",
    "summary": "Mất điện: Lộ 373 E9.25, 42 điểm mất kết nối từ 07:12:03, chắc chắn 99 %",
    "since": "07:12:03 08/05/2025",
    "points": "42",
    "halls": "1 huyện, 8 xã, 33 thôn",
    "place": "Huyện Mường Lát",
    "probability": "chắc chắn 99 %",
    "evidence": "Bộ lưu điện ở 6 điểm báo mất điện lưới",
    "dashboard": "https://dc.example.invalid/incidents/power:feeder-384-1",
}


def notice(kind: Kind = Kind.OPENED, *told: str, ended_s: float | None = None, **said: str) -> Notice:
    ended_at = None if ended_s is None else NOW + ended_s
    story = story_of(LABELS, SAID | said, NOW, ended_at, SAID["dashboard"])
    return Notice(
        tracking_id="t1", desk=DESK.id, subject=story.subject, kind=kind, story=story, at=NOW + 3, changes=told
    )


def letter(*notices: Notice, drill: bool = False, code: str = "4821", link: str = LINK) -> Letter:
    form = Form.SINGLE if len(notices) == 1 else Form.SUMMARY
    return Letter(tracking_id="t1", desk=DESK, form=form, notices=notices, ack_link=link, code=code, drill=drill)


def sms(*notices: Notice, **how: object) -> str:
    found = render(letter(*notices, **how), Channel.SMS)  # type: ignore[arg-type]
    assert isinstance(found, Sms)
    return found.text


def mail(*notices: Notice, **how: object) -> Mail:
    found = render(letter(*notices, **how), Channel.EMAIL)  # type: ignore[arg-type]
    assert isinstance(found, Mail)
    return found


def zns(*notices: Notice, **how: object) -> Zns:
    found = render(letter(*notices, **how), Channel.ZALO)  # type: ignore[arg-type]
    assert isinstance(found, Zns)
    return found


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (
            notice(),
            f"Mat dien: Lo 373 E9.25, 42 diem, tu 07:12:03, chac chan 99 %, Huyen Muong Lat. Tra loi TN 4821 {LINK}",
        ),
        (
            notice(Kind.UPDATED, "Lan rộng từ 42 thành 90 điểm", points="90"),
            f"Cap nhat: Mat dien: Lo 373 E9.25, 90 diem, tu 07:12:03, Lan rong tu 42 thanh 90 diem{REPLY}",
        ),
        (
            notice(Kind.RESOLVED, ended_s=720),
            f"Da khac phuc: Mat dien: Lo 373 E9.25, sau 12 phut, Huyen Muong Lat {LINK}",
        ),
        (
            notice(Kind.RETRACTED, "nay xác định: sự cố mạng", ended_s=60),
            f"Rut lai: Mat dien: Lo 373 E9.25, sau 1 phut, nay xac dinh: su co mang, Huyen Muong Lat {LINK}",
        ),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Notice) else "",
)
def test_an_sms_says_the_essential_first(told: Notice, text: str) -> None:
    assert sms(told) == text


def test_an_sms_of_a_summary_counts() -> None:
    text = sms(notice(), notice(), notice(Kind.RESOLVED, ended_s=60))
    assert text.startswith("2 su co (2 dien), 1 da xong, Mat dien: Lo 373 E9.25")
    assert text.endswith(LINK)


def test_a_drill_marks_every_channel() -> None:
    assert sms(notice(), drill=True).startswith("DIEN TAP. Mat dien")
    assert mail(notice(), drill=True).subject.startswith("[DIỄN TẬP] ")
    assert "*** DIỄN TẬP ***" in mail(notice(), drill=True).text
    assert ">DIỄN TẬP<" in mail(notice(), drill=True).html
    assert zns(notice(), drill=True).data["su_co"].startswith("DIỄN TẬP: ")


def test_a_mail_says_who_what_where_and_asks_for_one_tap() -> None:
    found = mail(notice(speaker="Điểm cầu Nghi Sơn phát biểu lúc 08:20"))
    assert found.subject == "[ĐIỂM CẦU] Mất điện: Lộ 373 E9.25, 42 điểm (từ 07:12:03)"
    for words in (
        "Đơn vị xử lý: Điện lực Mường Lát (chắc chắn 99 %)",
        "Điểm cầu mất: 42 điểm, gồm 1 huyện, 8 xã, 33 thôn",
        "Sắp phát biểu: Điểm cầu Nghi Sơn phát biểu lúc 08:20",
        "Căn cứ: Bộ lưu điện ở 6 điểm báo mất điện lưới",
        f"ĐÃ TIẾP NHẬN: {LINK}",
        "Hoặc nhắn tin: TN 4821",
    ):
        assert words in found.text
    assert f'href="{LINK}"' in found.html
    assert "ĐÃ TIẾP NHẬN" in found.html


def test_what_is_over_asks_for_nothing() -> None:
    found = mail(notice(Kind.RESOLVED, ended_s=3900))
    assert found.subject == "[ĐIỂM CẦU] Đã khắc phục: Mất điện: Lộ 373 E9.25, 42 điểm, sau 1 giờ 05 phút (từ 07:12:03)"
    assert "ĐÃ TIẾP NHẬN" not in found.text + found.html
    assert f"Xem chi tiết: {LINK}" in found.text


def test_an_escalation_says_who_was_silent_and_a_direct_one_why() -> None:
    told = notice(Kind.ESCALATED, "Trực Điện lực Mường Lát đã được báo lúc 07:12:06, chưa tiếp nhận")
    found = mail(msgspec.structs.replace(told, direct=True))
    assert found.subject.startswith("[ĐIỂM CẦU] CHƯA AI TIẾP NHẬN: Mất điện")
    assert "Trực Điện lực Mường Lát đã được báo lúc 07:12:06, chưa tiếp nhận" in found.text
    assert "Gửi trực tiếp vì Alertmanager không hoạt động" in found.text


def test_zalo_fills_every_parameter() -> None:
    found = zns(notice())
    assert found.template == "opened"
    assert found.data == {
        "su_co": "Mất điện: Lộ 373 E9.25",
        "so_diem": "42 điểm",
        "tu_luc": "07:12:03",
        "don_vi": "Điện lực Mường Lát",
        "kha_nang": "chắc chắn 99 %",
        "ghi_chu": "Huyện Mường Lát",
        "ma": "4821",
        "lien_ket": LINK,
    }
    assert zns(notice(), notice()).template == "summary"


def test_a_group_of_points_lists_them() -> None:
    story = Story(
        subject="g",
        labels={"alertname": "PointDown", "district_name": "Huyện Mường Lát"},
        since=NOW,
        summaries=tuple(f"Mất kết nối: Xã {number} từ 07:12:03" for number in range(60)),
        count=60,
    )
    told = msgspec.structs.replace(notice(), story=story)
    found = mail(told)
    assert found.subject == "[ĐIỂM CẦU] 60 cảnh báo Huyện Mường Lát (từ 07:12:03)"
    assert "Xã 39 từ" in found.text
    assert "và 20 dòng nữa" in found.text
    assert "ĐÃ TIẾP NHẬN" not in found.text


texts = st.text(max_size=600)


@given(
    st.lists(st.tuples(st.sampled_from(Kind), texts, texts, texts, st.booleans()), min_size=1, max_size=5),
    st.booleans(),
)
def test_whatever_names_are_an_sms_is_one_and_keeps_link_and_code(
    told: list[tuple[Kind, str, str, str, bool]],
    drill: bool,  # noqa: FBT001
) -> None:
    notices = [
        msgspec.structs.replace(notice(kind, change, title=title, owner=owner, points=owner), direct=direct)
        for kind, title, owner, change, direct in told
    ]
    text = sms(*notices, drill=drill)
    assert len(text) <= LONGEST
    assert set(text) <= PLAIN
    assert text.endswith(LINK)
    if len(notices) == 1 and told[0][0] in (Kind.OPENED, Kind.UPDATED, Kind.ESCALATED):
        assert "TN 4821" in text


@given(st.dictionaries(st.sampled_from([*SAID, "speaker", "x"]), texts), st.sampled_from(Kind), texts)
def test_absurd_stories_never_stop_a_message(said: dict[str, str], kind: Kind, link: str) -> None:
    """Missing or endless words, halves of surrogate pairs, markup."""
    story = story_of(LABELS, said, float(len(link)) * 1e300, NOW, link)
    told = msgspec.structs.replace(notice(kind), story=story)
    for each in ((told,), (told, told)):
        assert len(mail(*each, link=link).subject) <= 150
        assert all(0 < len(value) <= 100 for value in zns(*each, link=link).data.values())
        assert len(sms(*each, link=link)) <= LONGEST
    assert "<script" not in mail(msgspec.structs.replace(told, changes=("<script>",))).html


def test_plain_letters() -> None:
    assert unaccented("Lộ 473 – Đồng Lương … “Ầ” [x]\n\t{€}") == 'Lo 473 - Dong Luong . "A" (x)'


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 giây"), (45, "45 giây"), (720, "12 phút"), (3900, "1 giờ 05 phút"), (-1, "")]
)
def test_how_long(seconds: float, told: str) -> None:
    assert span(seconds) == told


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({}, ()),
        ({"points": "60"}, ()),
        ({"points": "84"}, ("Lan rộng từ 42 thành 84 điểm",)),
        ({"points": "95"}, ("Lan rộng từ 42 thành 95 điểm",)),
        ({"halls": "1 tỉnh, 1 huyện, 8 xã"}, ("Thêm điểm cấp tỉnh",)),
        ({"probability": "chắc chắn 97 %"}, ()),
        ({"probability": "chưa rõ nguyên nhân"}, ("Mức chắc chắn: chưa rõ nguyên nhân",)),
        ({"speaker": "Điểm cầu Nghi Sơn phát biểu lúc 08:20"}, ("Điểm cầu Nghi Sơn phát biểu lúc 08:20",)),
        ({"title": "Mất điện: Trạm E9.25"}, ("Nay là: Mất điện: Trạm E9.25",)),
    ],
)
def test_what_is_worth_an_update(now: dict[str, str], told: tuple[str, ...]) -> None:
    before = story_of(LABELS, SAID, NOW, None, "")
    assert changes(before, story_of(LABELS, SAID | now, NOW, None, "")) == told


def test_channels_are_all_written_for() -> None:
    assert all(render(letter(notice()), channel) for channel in Channel)
