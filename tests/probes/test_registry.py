"""Every kind in the registry keeps the promises that the engine, the configuration and the reference rely on."""

import ast
import asyncio
import inspect
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from types import ModuleType

import msgspec
import pytest

from probes import registry
from probes.engine import probe_once
from probes.model import AnyKind, Batch, BatchKind, BoundBatch, Check, Kind, Measurement, Params

ROOT = Path(__file__).parents[2]
MODULES = {module.KIND.name: module for module in registry.modules()}
KINDS = pytest.mark.parametrize("kind", list(registry.KINDS.values()), ids=list(registry.KINDS))
HOSTILE = ["", ":", "::", "[", "]:1", "127.0.0.1:0", "127.0.0.1:99999", "a" * 5000, "\0", "http://[", "\ud800"]
TIMEOUT_S = 0.3
SLACK_S = 10.0
"""How late a probe may be on a machine that does much else."""


def module_of(kind: AnyKind) -> ModuleType:
    return MODULES[kind.name]


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """A TCP server on loopback that accepts and says nothing."""
    gone = asyncio.Event()

    async def hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        gone.set()
        server.close()


def check(kind: AnyKind, address: str) -> Check:
    return Check(f"{kind.name}/test", "t", kind.name, address, kind.bind(kind.params()), 1.0, TIMEOUT_S)


def test_registry_reads_the_folder() -> None:
    """A module each, under its kind's name; the table cannot be written to."""
    files = {path.stem for path in Path(registry.kinds.__path__[0]).iterdir() if not path.name.startswith("__")}
    assert {module.__name__.rpartition(".")[2] for module in registry.modules()} == files
    assert {"icmp", "tcp", "http"} <= set(registry.KINDS)
    with pytest.raises(TypeError):
        registry.KINDS["x"] = registry.KINDS["icmp"]  # type: ignore[index]


def test_name_taken_twice_is_refused() -> None:
    """Naming both modules."""
    first, second = ModuleType("probes.kinds.one"), ModuleType("probes.kinds.two")
    first.KIND = second.KIND = registry.KINDS["tcp"]  # type: ignore[attr-defined]
    with pytest.raises(registry.DuplicateKind, match=r"'tcp'.*kinds\.one.*kinds\.two"):
        registry.read([first, second])


def test_module_without_a_kind_is_refused() -> None:
    """Naming it, and saying what it needs."""
    with pytest.raises(TypeError, match=r"probes\.kinds\.odd needs KIND = "):
        registry.read([ModuleType("probes.kinds.odd")])


@KINDS
def test_kind_says_what_it_is(kind: AnyKind) -> None:
    """Docstrings of its module and its parameters, and the form of an address: the reference page is made of them."""
    assert (module_of(kind).__doc__ or "").strip()
    assert (kind.params.__doc__ or "").strip()
    assert kind.address_form
    assert re.fullmatch(r"[a-z][a-z0-9_]*", kind.name)


@KINDS
def test_every_parameter_is_explained_and_has_a_default(kind: AnyKind) -> None:
    """A docstring under each field; a kind can be bound without any parameter."""
    explained = {
        field.target.id
        for base in kind.params.__mro__
        if issubclass(base, Params) and isinstance(tree := ast.parse(inspect.getsource(base)).body[0], ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }
    assert explained == set(kind.params.__struct_fields__)
    assert kind.bind(kind.params()) == kind.bind(kind.params())
    assert hash(kind.bind(kind.params())) == hash(kind.bind(kind.params()))


@KINDS
def test_kind_has_a_test_of_its_own(kind: AnyKind) -> None:
    """Under its module's name."""
    assert (ROOT / "tests" / "kinds" / f"test_{module_of(kind).__name__.rpartition('.')[2]}.py").is_file()


@KINDS
def test_bad_parameters_are_refused(kind: AnyKind) -> None:
    """A key that is none, a value of the wrong type, the parameters of another kind."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_parameter": 1}, kind.params)
    for field in kind.params.__struct_fields__:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({field: object()}, kind.params)
    with pytest.raises(TypeError, match=kind.name):
        kind.bind(Params())


@KINDS
def test_figures_are_documented(kind: AnyKind) -> None:
    """Names as Prometheus wants them, each with a help text, none twice."""
    names = [figure.name for figure in kind.figures]
    assert len(set(names)) == len(names)
    for figure in kind.figures:
        assert re.fullmatch(r"probe_[a-z0-9_]*[a-z0-9]", figure.name)
        assert figure.help.endswith(".")


@KINDS
@pytest.mark.parametrize("address", HOSTILE, ids=ascii)
async def test_no_exception_escapes_for_any_address(kind: AnyKind, address: str) -> None:
    """Hostile text in the place of an address: a failure that is a value, by the deadline, and no defect."""
    begun = monotonic()
    found = await probe_once(check(kind, address))
    assert isinstance(found, Measurement)
    assert not found.success
    assert found.failure is not None
    assert found.failure != "internal", found.detail
    assert monotonic() - begun < TIMEOUT_S + SLACK_S


@KINDS
async def test_answer_comes_by_the_deadline_and_names_documented_figures(kind: AnyKind) -> None:
    """Of a server that accepts and says nothing, or of loopback itself."""
    documented = {figure.name for figure in kind.figures}
    async with silent_port() as port:
        for address in ("127.0.0.1", f"127.0.0.1:{port}", f"http://127.0.0.1:{port}/", f"https://127.0.0.1:{port}/"):
            begun = monotonic()
            found = await probe_once(check(kind, address))
            assert monotonic() - begun < TIMEOUT_S + SLACK_S
            assert found.failure != "internal", found.detail
            assert {name for name, _ in found.figures} <= documented
            assert all(seconds >= 0.0 for _, seconds in found.phases)


def test_shape_of_a_kind_shows_in_what_it_binds() -> None:
    """A batch kind opens a socket for many; a coroutine kind runs for one."""
    for kind in registry.KINDS.values():
        bound = kind.bind(kind.params())
        assert isinstance(kind, BatchKind) is isinstance(bound, BoundBatch)
        assert isinstance(kind, Kind | BatchKind)


async def test_batch_closes_while_in_flight() -> None:
    """What is in flight is forgotten without a word."""
    told: list[Measurement] = []
    for kind in registry.KINDS.values():
        bound = kind.bind(kind.params())
        if isinstance(bound, BoundBatch):
            batch: Batch = bound.open(lambda _check, _at, measurement: told.append(measurement))
            batch.launch([check(kind, "127.0.0.1"), check(kind, "localhost")])
            batch.close()
    await asyncio.sleep(TIMEOUT_S + 0.1)
    assert told == []
