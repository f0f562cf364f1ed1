"""The desks of the made-up province: contacts.yaml of the sample. Titles are marked *(mẫu)*; nobody can be dialled."""

import unicodedata
from collections.abc import Iterator

from monitor.core.model import Inventory

HEAD = """\
# Who is told, by which means, and who next. Desks, never persons; every number and address here is made up and reaches
# nobody (0000…, .invalid): put in your own outside the repository. `diemcau render alertmanager` makes Alertmanager's
# configuration of it; README.md has each key.
#   company    telecom, power, site, coordination (asked for check-ins) or technical (told everything, the last resort)
#   level      1 is told first, of a company the first desk that fits by districts and operators; 2 when 1 is silent
#   channels   sms, zalo, email: the first that gets through
#   budget     messages a minute; what is more comes as one summary
#   duty       when it is manned, such as [mon-fri 07:00-17:00, sat,sun 08:00-12:00]; always when left out

escalate_after: {test: 5m, live: 60s}     # a desk that has not acknowledged by then is followed by the level above
direct_after: {live: 10s}                 # every Alertmanager away for so long: we deliver without one
gateways: ["http://monitor:8080"]         # where Alertmanager reaches us; two monitors over one store are two lines
# watchdog_url: https://…                 # called each minute while the whole chain lives: a dead man's switch outside

desks:
"""
TECHNICAL = "ky-thuat"
CARRIER = "VNPT Thanh Hóa"
GRID = "Công ty Điện lực Thanh Hóa"


def contacts_yaml(inventory: Inventory) -> str:
    """The whole file."""
    return HEAD + "".join(f"  - {line}\n" for line in _desks(inventory))


def _desks(inventory: Inventory) -> Iterator[str]:
    number = iter(range(1, 10_000))
    yield _desk(TECHNICAL, "Tổ kỹ thuật trực Lễ phát động (mẫu)", "technical", next(number), "email, sms")
    yield _desk("diem-cau", "Trực hỗ trợ kỹ thuật tại điểm cầu (mẫu)", "site", next(number), "sms, email")
    for district in inventory.districts.values():
        title = f"Trực VNPT {district.name} (mẫu)"
        where = f'districts: ["{district.code}"], operators: ["{CARRIER}"]'
        yield _desk(f"vnpt-{district.code}", title, "telecom", next(number), "sms, zalo, email", where)
    title = "Trung tâm điều hành VNPT Thanh Hóa (mẫu)"
    yield _desk("vnpt-tinh", title, "telecom", next(number), "sms, email", f'level: 2, operators: ["{CARRIER}"]')
    for operator in sorted({node.operator for node in inventory.network.values()} - {CARRIER, ""}):
        title, where = f"Trực {operator}", f'operators: ["{operator}"]'
        yield _desk(slug(operator), title, "telecom", next(number), "sms, email", where)
    for operator in sorted({node.operator for node in inventory.power.values()} - {GRID, ""}):
        title, where = f"Trực {operator} (mẫu)", f'operators: ["{operator}"]'
        yield _desk(slug(operator), title, "power", next(number), "sms, zalo, email", where)
    title = "Phòng Điều độ Công ty Điện lực Thanh Hóa (mẫu)"
    yield _desk("dieu-do", title, "power", next(number), "sms, email", "level: 2")
    for district in inventory.districts.values():
        title, where = f"Đầu mối {district.name} (mẫu)", f'districts: ["{district.code}"]'
        yield _desk(f"dau-moi-{district.code}", title, "coordination", next(number), "email, sms", where)
    title = "Đầu mối khối cơ quan tỉnh (mẫu)"
    yield _desk("dau-moi-tinh", title, "coordination", next(number), "email, sms", "level: 2")


def _desk(name: str, title: str, company: str, number: int, channels: str, more: str = "") -> str:
    """One line; the number begins with 0000, which no number does."""
    parts = [
        f"id: {name}",
        f'title: "{title}"',
        f"company: {company}",
        *([more] if more else []),
        f"channels: [{channels}]",
        f'phone: "0000 {number // 1000:03} {number % 1000:03}"',
        f"email: {name}@{company}.example.invalid",
    ]
    return "{" + ", ".join(parts) + "}"


def slug(name: str) -> str:
    """``Điện lực Mường Lát`` → ``dien-luc-muong-lat``."""
    bare = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
    plain = "".join(
        char if char.isascii() and char.isalnum() else " " for char in bare if not unicodedata.combining(char)
    )
    return "-".join(plain.split())[:50].strip("-")
