"""README says what is there."""

import re
from pathlib import Path

from probes.model import Layer
from probes.registry import KINDS

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| [^|]+ \| (\w+)", README, re.MULTILINE)


def test_every_kind_stands_in_the_table_with_what_it_proves() -> None:
    told = {name: layer for names, layer in ROWS for name in re.findall(r"\w+", names)}
    assert told == {name: kind.layer.value for name, kind in KINDS.items()}
    assert set(told.values()) == set(Layer)
