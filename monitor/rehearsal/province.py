"""Makes up a whole province: who takes part, how, from where. Pure: the same size and seed give the same province.

District and commune names and codes are official; villages, addresses, modes, batteries and both trees are made up.
The counts are those of the launch ceremony: 4,985 points in the plan, of which 1,018 took part.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import count

from monitor.core.model import Inventory, Mode, Point, Tier
from monitor.rehearsal import geography, trees, villages
from monitor.rehearsal.chance import stream
from monitor.rehearsal.trees import Trees

HALLS = 634
"""Points above the villages: Tỉnh ủy, 60 agencies, 26 districts, 547 communes. A sample of any size has them all."""
POINTS = HALLS + villages.VILLAGES

FEWEST, MOST = 700, 129_794
"""The sizes that can be made up. With more, the addresses would run out."""

NETWORK = IPv4Network("10.38.0.0/15")
"""Where every address of a sample lies. Its first 256 are left to what is no point: the centre and its gateway."""

AGENCIES = (
    "Văn phòng Tỉnh ủy", "Ban Tổ chức Tỉnh ủy", "Ban Tuyên giáo và Dân vận Tỉnh ủy", "Ban Nội chính Tỉnh ủy",
    "Ủy ban Kiểm tra Tỉnh ủy", "Đảng ủy các cơ quan Đảng tỉnh", "Đảng ủy UBND tỉnh", "Đảng ủy Quân sự tỉnh",
    "Đảng ủy Công an tỉnh", "Đảng ủy Bộ đội Biên phòng tỉnh", "Trường Chính trị tỉnh", "Ủy ban MTTQ tỉnh",
    "Tỉnh đoàn", "Hội Liên hiệp Phụ nữ tỉnh", "Hội Nông dân tỉnh", "Hội Cựu chiến binh tỉnh",
    "Liên đoàn Lao động tỉnh", "Văn phòng Đoàn ĐBQH và HĐND tỉnh", "Văn phòng UBND tỉnh", "Sở Nội vụ",
    "Sở Tài chính", "Sở Xây dựng", "Sở Nông nghiệp và Môi trường", "Sở Công Thương",
    "Sở Khoa học và Công nghệ", "Sở Văn hóa, Thể thao và Du lịch", "Sở Giáo dục và Đào tạo", "Sở Y tế",
    "Sở Tư pháp", "Sở Dân tộc và Tôn giáo", "Thanh tra tỉnh", "Ban Quản lý Khu kinh tế và các khu công nghiệp",
    "Công an tỉnh", "Bộ Chỉ huy Quân sự tỉnh", "Bộ Chỉ huy Bộ đội Biên phòng tỉnh", "Tòa án nhân dân tỉnh",
    "Viện Kiểm sát nhân dân tỉnh", "Cục Thi hành án dân sự tỉnh", "Chi cục Thống kê tỉnh", "Chi cục Thuế khu vực",
    "Kho bạc Nhà nước khu vực", "Ngân hàng Nhà nước khu vực", "Bảo hiểm xã hội khu vực", "Chi cục Hải quan khu vực",
    "Ngân hàng Chính sách xã hội tỉnh", "Bưu điện tỉnh", "Viễn thông tỉnh", "Công ty Điện lực tỉnh",
    "Báo và Đài Phát thanh - Truyền hình tỉnh", "Trường Đại học của tỉnh", "Trường Cao đẳng Y tế",
    "Trường Cao đẳng Nông nghiệp", "Trường Cao đẳng Công nghiệp", "Bệnh viện Đa khoa tỉnh", "Liên minh Hợp tác xã tỉnh",
    "Hội Chữ thập đỏ tỉnh", "Hội Khuyến học tỉnh", "Hội Nhà báo tỉnh", "Hội Văn học Nghệ thuật tỉnh",
    "Liên hiệp các Hội Khoa học và Kỹ thuật tỉnh",
)  # fmt: skip
"""Sixty titles of institutions as any province has them; no list of those that took part is public."""

SPEAKERS = {"407": "speaker"}
"""Districts that speak: the Youth Union replies from the Nghi Sơn point."""


def make(points: int = POINTS, seed: int = 2025) -> Inventory:
    """Make up a province of so many points.

    Raises:
        ValueError: ``points`` is outside :data:`FEWEST` … :data:`MOST`.
    """
    if not FEWEST <= points <= MOST:
        raise ValueError(f"a sample has {FEWEST:,} to {MOST:,} points, not {points:,}")
    grown = trees.grow(points / POINTS, stream(seed, "trees"))
    return Inventory(
        points={point.id: point for point in _points(points - HALLS, grown, seed)},
        network=grown.network,
        power=grown.power,
        districts={district.code: district for district in geography.districts()},
    )


def _addresses() -> Iterator[str]:
    """Addresses for points, ascending; none ends in .0 or .255, which some equipment takes for a broadcast."""
    for block in count(int(NETWORK.network_address) + 256, 256):
        for host in range(1, 255):
            yield str(IPv4Address(block + host))


def _points(village_count: int, grown: Trees, seed: int) -> Iterator[Point]:
    """Every point, tier by tier from the host downwards."""
    addresses = _addresses()
    yield from _province(addresses)
    yield from _districts(addresses, seed)
    yield from _communes(grown, addresses, seed)
    yield from villages.make(village_count, grown, addresses, seed)


def _province(addresses: Iterator[str]) -> Iterator[Point]:
    """The host and the agencies: the province's own points, in no district."""
    yield Point(
        id="tinh-uy",
        name="Điểm cầu Tỉnh ủy",
        tier=Tier.PROVINCE,
        mode=Mode.TWO_WAY,
        address=next(addresses),
        network_node=trees.PROVINCE_OLT,
        power_node=trees.PROVINCE_TRANSFORMER,
        backup_link="4g",
        ups_minutes=60,
        role="host",
    )
    for number, title in enumerate(AGENCIES, 1):
        yield Point(
            id=f"cq-{number:02d}",
            name=title,
            tier=Tier.AGENCY,
            mode=Mode.TWO_WAY,
            address=next(addresses),
            network_node=trees.agency_olt(number),
            power_node=trees.agency_transformer(number),
            ups_minutes=15,
        )


def _districts(addresses: Iterator[str], seed: int) -> Iterator[Point]:
    rng = stream(seed, "districts")
    for district in geography.districts():
        role = SPEAKERS.get(district.code)
        yield Point(
            id=f"h-{district.code}",
            name=district.name,
            tier=Tier.DISTRICT,
            mode=Mode.TWO_WAY,
            district_code=district.code,
            address=next(addresses),
            network_node=trees.hub(district.code),
            power_node=trees.hall_transformer(district.code),
            backup_link="4g" if role or rng.random() < 0.6 else None,
            ups_minutes=30,
            role=role,
        )


def _communes(grown: Trees, addresses: Iterator[str], seed: int) -> Iterator[Point]:
    """Every commune takes part: rather more than half in both directions, a third with a UPS, a quarter with 4G."""
    rng = stream(seed, "communes")
    for commune in geography.communes():
        yield Point(
            id=f"x-{commune.code}",
            name=commune.name,
            tier=Tier.COMMUNE,
            mode=Mode.TWO_WAY if rng.random() < 0.55 else Mode.WATCH,
            district_code=commune.district,
            commune_code=commune.code,
            address=next(addresses),
            network_node=grown.olts[commune.code][0],
            power_node=grown.transformers[commune.code][0],
            backup_link="4g" if rng.random() < 0.25 else None,
            ups_minutes=rng.choice((5, 10, 15, 20)) if rng.random() < 0.33 else 0,
        )
