"""The frozen count: its canonical form, its digest, and what has changed since."""

import hashlib
import json

import msgspec
import pytest

from monitor.core.model import Mode, PointState, Tier
from monitor.core.readiness import Counts, Lack
from monitor.core.snapshot import (
    Content,
    DistrictRow,
    PointRow,
    Snapshot,
    canonical,
    differences,
    digest_of,
    instant,
    read,
    target_of,
)


def row(name: str = "a", **changed: object) -> PointRow:
    plain = PointRow(
        id=name,
        name="Thôn Đông",
        tier=Tier.VILLAGE,
        mode=Mode.WATCH,
        district="386",
        commune="14869",
        host="",
        state=PointState.UP,
        connected=True,
        ready=True,
        lacks=(),
        delegates=30,
        attendees=45,
        chair="Bí thư chi bộ",
        power="grid",
        note="",
        late=False,
    )
    return msgspec.structs.replace(plain, **changed)


def content(*rows: PointRow, **counts: int) -> Content:
    total = Counts(**counts)
    return Content(
        event="Lễ",
        deadline="2025-05-08T00:30:00Z",
        begins_at="2025-05-08T01:00:00Z",
        taken_at="2025-05-08T00:30:00Z",
        blind=False,
        target=1,
        total=total,
        tiers={Tier.VILLAGE: total},
        districts=(DistrictRow("386", "Bá Thước", total),),
        points=rows,
    )


def test_anybody_can_compute_the_digest_again() -> None:
    """By the JSON and the hash of another library."""
    body = canonical(content(row(), ready=1))
    again = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert body == again
    assert digest_of(body, "abc") == hashlib.sha256(b"abc\n" + again).hexdigest()
    assert read(body) == content(row(), ready=1)


def test_a_byte_that_was_changed_shows() -> None:
    body = canonical(content(row(), ready=1))
    kept = Snapshot(
        number=1,
        taken_at=0.0,
        automatic=True,
        deadline=0.0,
        by="",
        previous="",
        digest=digest_of(body, ""),
        content=body,
    )
    assert kept.genuine
    assert not msgspec.structs.replace(kept, content=body.replace(b'"ready":true', b'"ready":null')).genuine
    assert not msgspec.structs.replace(kept, previous="0" * 64).genuine


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"ready": False, "lacks": (Lack.LOST_SIGNAL,)}, True),
        ({"connected": False}, True),
        ({"delegates": 31}, True),
        ({"mode": Mode.MERGED}, True),
        ({"note": "x"}, False),
    ],
)
def test_differences_are_what_counts(*, changed: dict[str, object], told: bool) -> None:
    before, after = content(row("a"), row("b"), ready=2), content(row("a", **changed), row("b"), ready=1)
    found = differences(before, after)
    assert [each.id for each in found.points] == (["a"] if told else [])
    assert found.total == Counts(ready=-1)


def test_points_that_came_and_went_are_told() -> None:
    found = differences(content(row("a"), row("b")), content(row("b"), row("c")))
    assert [(each.id, each.before is None, each.after is None) for each in found.points] == [
        ("a", False, True),
        ("c", True, False),
    ]


@pytest.mark.parametrize(
    ("expected", "ratio", "target"), [(1018, 1.0, 1018), (1018, 0.98, 998), (10, 0.7, 7), (0, 1, 0)]
)
def test_the_target_is_rounded_up(expected: int, ratio: float, target: int) -> None:
    assert target_of(expected, ratio) == target


def test_instants_are_whole_seconds_of_utc() -> None:
    assert instant(1_746_664_200.9) == "2025-05-08T00:30:00Z"
