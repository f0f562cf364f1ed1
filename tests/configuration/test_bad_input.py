"""Each folder of tests/bad spoils the good configuration with its files; message.txt holds what must be said of it."""

import shutil
from pathlib import Path

import pytest

from monitor.configuration import InvalidConfiguration, load

BAD = Path(__file__).parent.parent / "bad"


@pytest.mark.parametrize("case", sorted(path.name for path in BAD.iterdir()))
def test_bad_input_is_named_by_file_line_and_column(case: str, config: Path) -> None:
    """Every error of every file, at once, in these very words."""
    folder = BAD / case
    if (folder / "points.xlsx").exists():
        (config / "points.csv").unlink()
    for file in folder.iterdir():
        if file.name != "message.txt":
            shutil.copy(file, config)
    with pytest.raises(InvalidConfiguration) as caught:
        load(config)
    assert f"{caught.value}\n" == (folder / "message.txt").read_text()
