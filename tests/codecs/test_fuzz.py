"""A short walk through every entry of tests/fuzz: ``make fuzz`` is the long one."""

import importlib.util
import pkgutil
import sys
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from probes import codecs

FOLDER = Path(__file__).parents[1] / "fuzz"
MUTANTS = 2_000
SEED = 20250508

WITHOUT_ENTRY: dict[str, str] = {}
"""Modules of probes/codecs that read nothing from outside, each with the reason."""


def load_harness() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_harness", FOLDER / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


harness = load_harness()
NAMES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))


def test_every_codec_is_fuzzed() -> None:
    """Its entry stands under its name, or the reason why it needs none."""
    modules = {found.name for found in pkgutil.iter_modules(codecs.__path__)}
    assert modules - set(NAMES) - set(WITHOUT_ENTRY) == set()
    assert set(WITHOUT_ENTRY) <= modules - set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_entry_takes_its_seeds_and_refuses_the_rest_by_its_own_error(name: str) -> None:
    """Unspoilt messages are accepted, or fuzzing would begin at the first check and get no further."""
    entry = harness.entries(FOLDER, name)[name]
    assert entry.SEEDS
    assert harness.refused_seeds(entry) == []
    tally = harness.examine(entry, harness.mutants(entry.SEEDS, Random(SEED), MUTANTS))
    assert {sort: trace for sort, (_, trace) in tally.findings.items()} == {}
    assert tally.inputs == MUTANTS
    assert tally.refused
    assert tally.accepted


class Weak(ModuleType):
    """A codec with every defect that the harness is there to find."""

    SEEDS = (b"good",)
    ERROR = ValueError

    def feed(self, data: bytes) -> None:
        """Defects by the first letter."""
        if data.startswith(b"i"):
            raise IndexError(data)
        if data.startswith(b"s"):
            while data:
                pass
        if data.startswith(b"m"):
            raise MemoryError
        if data.startswith(b"v"):
            raise ValueError(data)


def test_findings_are_what_is_not_the_codecs_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong exception, an endless loop, memory without bound; each sort once, by its shortest input."""
    monkeypatch.setattr(harness, "LIMIT_S", 0.05)
    inputs = (b"good", b"value", b"index", b"in", b"slow", b"memory")
    tally = harness.examine(Weak("weak"), iter(inputs))
    assert (tally.accepted, tally.refused) == (1, 1)
    assert {sort.partition(" ")[0]: data for sort, (data, _) in tally.findings.items()} == {
        "IndexError": b"in",
        "Slow": b"slow",
        "MemoryError": b"memory",
    }


def test_the_same_seed_makes_the_same_inputs() -> None:
    seeds = (b"GET VAR ups ups.status\n", bytes(range(40)))
    first, again = (list(harness.mutants(seeds, Random(SEED), 500)) for _ in range(2))
    assert first == again
    assert len(set(first)) > 400
    assert max(map(len, first)) <= harness.INPUT_BYTES


def test_a_finding_is_kept_with_its_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(harness, "OUT", tmp_path / "fuzz")
    tally = harness.examine(Weak("weak"), iter((b"index",)))
    assert harness.report({"weak": tally}) == 1
    kept = sorted((tmp_path / "fuzz").iterdir())
    assert [path.suffix for path in kept] == [".bin", ".txt"]
    assert kept[0].read_bytes() == b"index"
    assert "IndexError" in kept[1].read_text()
