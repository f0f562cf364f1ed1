"""Every test of what a store promises is run on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store of the test's own may be made."""
    if request.param == "postgresql":
        found: str = request.getfixturevalue("postgresql")
        return found
    return str(tmp_path / "store.db")


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with await Store.open(url) as opened:
        yield opened
