"""Makes up the villages: how many a commune, their names, who watches by itself and who sits at the commune's hall.

Modes are drawn to the exact count: of the real 4,351 villages 384 watched by themselves, 118 could not be connected,
and the rest went to their commune's hall.
"""

from collections.abc import Iterator, Sequence
from itertools import count, islice
from random import Random
from typing import NamedTuple

from monitor.core.model import Mode, Point, Tier
from monitor.rehearsal import geography
from monitor.rehearsal.chance import apportion, draw, stream
from monitor.rehearsal.geography import Commune
from monitor.rehearsal.trees import Trees

VILLAGES, WATCHING, NO_COVERAGE = 4_351, 384, 118
LEAST_A_COMMUNE = 3

MOBILE_SHARE = {True: 0.40, False: 0.18}
"""Share of villages on 4G, by highland or not: a quarter of all. The others have FTTH."""
OTHER_CARRIER_SHARE = 0.4
"""Share of the villages on 4G that use the second carrier."""
BORDER_SHARE = 0.03
"""Share of villages connected to the OLT of the next commune."""
MOBILE_SET, NAT_SET = "village_4g", "village_nat"
"""The check sets of a village on 4G, and of one that nothing outside can ask; the others have their tier's default."""
NAT_EACH = 3
"""Each third village that watches on FTTH is heard by its page alone."""

HAMLETS = (
    "Cò", "Chiềng", "Poọng", "Lát", "Na Tao", "Khằm", "Buốn", "Ngàm", "Khoa", "Mí", "Vặn", "Yên", "Xăng", "Sại",
    "Muỗng", "Bo", "Ún", "Suối Lóng", "Piềng", "Na Mèo", "Hang", "Pù Ngùa", "Nà Hin", "Chanh", "Tân Hương", "Cá Nọi",
)  # fmt: skip


class _Village(NamedTuple):
    id: str
    name: str
    commune: Commune
    highland: bool


def make(total: int, grown: Trees, addresses: Iterator[str], seed: int) -> Iterator[Point]:
    """Make up so many villages, commune by commune, each with the next address."""
    everyone = list(_places(total, stream(seed, "villages")))
    modes = _modes(everyone, stream(seed, "modes"))
    rng = stream(seed, "lines")
    neighbours = _neighbours()
    watching_on_fibre = count(1)
    for village in everyone:
        mode = modes.get(village.id, Mode.MERGED)
        code = village.commune.code
        on_mobile = rng.random() < MOBILE_SHARE[village.highland]
        at = neighbours[code] if rng.random() < BORDER_SHARE else code
        hidden = mode is Mode.WATCH and not on_mobile and not next(watching_on_fibre) % NAT_EACH
        other_carrier = on_mobile and rng.random() < OTHER_CARRIER_SHARE
        yield Point(
            id=village.id,
            name=village.name,
            tier=Tier.VILLAGE,
            mode=mode,
            merged_into=f"x-{code}" if mode is Mode.MERGED else None,
            district_code=village.commune.district,
            commune_code=code,
            address=next(addresses),
            network_node=rng.choice(grown.mobile[village.commune.district] if other_carrier else grown.olts[at]),
            power_node=rng.choice(grown.transformers[code]),
            ups_minutes=_battery_minutes(rng, on_mobile=on_mobile),
            check_set=MOBILE_SET if on_mobile else NAT_SET if hidden else None,
        )


def _battery_minutes(rng: Random, *, on_mobile: bool) -> int:
    """A laptop on 4G outlives a power cut by its battery; on FTTH the modem dies at once, but for a few with a UPS."""
    if on_mobile:
        return rng.randrange(30, 121, 10)
    return rng.choice((10, 20, 30)) if rng.random() < 0.08 else 0


def _places(total: int, rng: Random) -> Iterator[_Village]:
    """Share the villages out over the communes and name them."""
    everyone = geography.communes()
    least = min(LEAST_A_COMMUNE, total // len(everyone))
    weights = [rng.triangular(0.0, 1.0, 0.3) for _ in everyone]
    for commune, share in zip(everyone, apportion(total, weights, least), strict=True):
        highland = geography.region(commune.district).highland
        for number, name in enumerate(islice(_names(commune, rng, highland=highland), share), 1):
            yield _Village(f"x-{commune.code}-t{number:02d}", f"{name}, {commune.in_text}", commune, highland)


def _names(commune: Commune, rng: Random, *, highland: bool) -> Iterator[str]:
    """Names without end: ``Tổ dân phố 1`` in towns, ``Bản Cò`` in the highlands, ``Thôn 1`` elsewhere."""
    if commune.type != "Xã":
        return _numbered(rng.choice(("Tổ dân phố", "Khu phố")))
    return _hamlets(rng.sample(HAMLETS, len(HAMLETS))) if highland else _numbered("Thôn")


def _numbered(word: str) -> Iterator[str]:
    return (f"{word} {number}" for number in count(1))


def _hamlets(names: Sequence[str]) -> Iterator[str]:
    yield from (f"Bản {name}" for name in names)
    yield from (f"Bản {name} {number}" for number in count(2) for name in names)


def _modes(everyone: Sequence[_Village], rng: Random) -> dict[str, Mode]:
    """Who is not merged, by id. Lack of coverage is a matter of the highlands; fewer watch by themselves there."""
    dark = draw(
        rng, everyone, [6.0 if v.highland else 1.0 for v in everyone], round(len(everyone) * NO_COVERAGE / VILLAGES)
    )
    unlit = {village.id for village in dark}
    others = [village for village in everyone if village.id not in unlit]
    watching = draw(
        rng, others, [0.6 if v.highland else 1.0 for v in others], round(len(everyone) * WATCHING / VILLAGES)
    )
    return dict.fromkeys(unlit, Mode.NO_COVERAGE) | {village.id: Mode.WATCH for village in watching}


def _neighbours() -> dict[str, str]:
    """Commune code → code of the next commune of the same district, the last one's being the first."""
    following: dict[str, str] = {}
    for district in geography.TILES:
        codes = [commune.code for commune in geography.communes() if commune.district == district]
        following |= dict(zip(codes, codes[1:] + codes[:1], strict=True))
    return following
