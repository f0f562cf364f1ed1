"""Renders a made-up province as a complete configuration directory, ready for ``diemcau check`` and ``diemcau run``."""

import csv
import io
from collections.abc import Iterable

from monitor.core.model import District, Inventory, Node, Point
from monitor.rehearsal.desks import contacts_yaml
from monitor.rehearsal.geography import read_data

Row = tuple[str | float | None, ...]

POINT_COLUMNS = (
    "id", "name", "tier", "mode", "merged_into", "district_code", "commune_code", "address", "network_node",
    "power_node", "backup_link", "ups_minutes", "check_set", "role",
)  # fmt: skip
NODE_COLUMNS = ("id", "parent", "name", "kind", "operator", "powered_by")
DISTRICT_COLUMNS = ("code", "name", "column", "row")
COORDINATOR_COLUMNS = ("district_code", "title", "phone", "email", "remark")
REMARK = "dữ liệu mẫu: số không gọi được, thư không tới"
"""No phone number begins with 0000, and no domain ends in .invalid (RFC 2606)."""

LICENCE = "thanhhoa_communes_2025-05.LICENSE.txt"


def files(inventory: Inventory) -> dict[str, str]:
    """The text of every file of a configuration directory, by file name. The same inventory gives the same bytes."""
    return {
        "points.csv": _table(POINT_COLUMNS, map(_point_row, inventory.points.values())),
        "network.csv": _table(NODE_COLUMNS, map(_node_row, inventory.network.values())),
        "power.csv": _table(NODE_COLUMNS, map(_node_row, inventory.power.values())),
        "districts.csv": _table(
            DISTRICT_COLUMNS, ((d.code, d.name, d.column, d.row) for d in inventory.districts.values())
        ),
        "checks.yaml": read_data("checks.yaml"),
        "ceremony.yaml": read_data("ceremony.yaml"),
        "attribution.yaml": read_data("attribution.yaml"),
        "readiness.yaml": read_data("readiness.yaml"),
        "coordinators.csv": _table(COORDINATOR_COLUMNS, map(_coordinator_row, inventory.districts.values())),
        "report.yaml": read_data("report.yaml"),
        "contacts.yaml": contacts_yaml(inventory),
        "gateway.yaml": read_data("gateway.yaml"),
        "README.md": read_data("sample.md") + "\n```text\n" + read_data(LICENCE) + "```\n",
    }


def _table(columns: tuple[str, ...], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _point_row(point: Point) -> Row:
    return (
        point.id, point.name, point.tier, point.mode, point.merged_into, point.district_code, point.commune_code,
        point.address, point.network_node, point.power_node, point.backup_link, f"{point.ups_minutes:g}",
        point.check_set, point.role,
    )  # fmt: skip


def _node_row(node: Node) -> Row:
    return (node.id, node.parent, node.name, node.kind, node.operator, node.powered_by)


def _coordinator_row(district: District) -> Row:
    title = f"Phòng Văn hóa, Khoa học và Thông tin {district.name} (mẫu)"
    return district.code, title, f"0000 000 {district.code}", f"diem-cau-{district.code}@huyen.example.invalid", REMARK
