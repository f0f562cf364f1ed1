"""Reads links.yaml, which of the signed links hold, and the secret that signs them, which is no configuration.

The file may be missing: then every link of generation 0 holds. Raising a generation rotates the links below it.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from monitor.configuration.decode import WRONG, decode
from monitor.configuration.errors import Errors, did_you_mean, quoted
from monitor.configuration.source import Listing, Node, Scalar, Section, find, read_yaml
from monitor.core.model import Inventory
from monitor.core.organization import scopes_of

FILE = "links.yaml"
SECRET_FILE = "links.key"  # noqa: S105 - where it stands, not what it is
SECRET_BYTES = 32
WALL = "wall"
"""The name of the link of the screens on the wall."""
SPOILT = "{path} is not what was written there: restore it, or delete it and hand out every link anew"
GATEWAY_FILE = "gateway.key"
"""What Alertmanager brings with each webhook, where no other file is named."""
SHORTEST_WORD = 16
GENERATIONS = 1_000_000
NAMED = "the id of a point in points.csv, district:<code> or commune:<code> of one, or wall"

Generation = Annotated[int, Meta(ge=0, le=GENERATIONS)]


class LinkPolicy(msgspec.Struct, frozen=True):
    """Which links hold: the whole of links.yaml."""

    generation: Generation = 0
    """Of all links."""
    generations: Mapping[str, Generation] = {}
    """Of single links, by what they speak for: a point's id, a coordinator's scope (``district:386``), ``wall``."""
    revoked: tuple[str, ...] = ()
    """Those whose links do not hold."""


class LinkFile(msgspec.Struct, frozen=True):
    """links.yaml as it is declared."""

    generation: Generation = 0
    generations: dict[str, Generation] = {}
    revoked: tuple[str, ...] = ()


class SecretUnusable(Exception):  # noqa: N818 - says what is wrong
    """The secret cannot be read or made; the message says what to do."""


def read(directory: Path, inventory: Inventory | None, errors: Errors) -> LinkPolicy | None:
    """What ``links.yaml`` says; None with every error noted."""
    path = directory / FILE
    if not path.exists():
        return LinkPolicy()
    tree = read_yaml(path, errors)
    if tree is None:
        return None
    before = errors.total
    file = decode(tree, LinkFile, errors)
    if inventory is not None:
        _check_names(tree, names(inventory), errors)
    if file is WRONG or errors.total > before:
        return None
    return LinkPolicy(file.generation, file.generations, file.revoked)


def names(inventory: Inventory) -> frozenset[str]:
    """Everything that may have a link: points, the scopes of coordinators, and the wall."""
    scopes = (scope for point in inventory.points.values() for scope in scopes_of(point))
    return frozenset({*inventory.points, *scopes, WALL})


def _check_names(tree: Section, known: frozenset[str], errors: Errors) -> None:
    """Whether everything that is named is there: a link that was revoked under a misspelt name would still hold."""
    generations, revoked = find(tree, "generations"), find(tree, "revoked")
    if isinstance(generations, Section):
        for name, (spot, _) in generations.entries.items():
            _check_name(name, spot, f"generations.{name}", known, errors)
    for index, node in enumerate(revoked.items if isinstance(revoked, Listing) else ()):
        if isinstance(node, Scalar):
            _check_name(node.text, node, f"revoked[{index}]", known, errors)


def _check_name(name: str, spot: Node, key: str, known: frozenset[str], errors: Errors) -> None:
    if name not in known:
        errors.add(spot, key, NAMED, quoted(name), did_you_mean(name, sorted(known)))


def link_secret(state: Path) -> bytes:
    """The secret in the state directory, made on first use. Raises SecretUnusable."""
    path = state / SECRET_FILE
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return _read_secret(path)
        except FileNotFoundError:
            return _make_secret(path)
    except OSError as error:
        raise SecretUnusable(
            f"{path}: {error.strerror or error}; name a directory that may be written with --state"
        ) from error


def webhook_secret(state: Path, named: Path | None = None) -> str:
    """What Alertmanager must bring: the text of the file that is named, or of one in the state directory, made anew.

    Raises SecretUnusable.
    """
    path = named or state / GATEWAY_FILE
    try:
        if named is None and not path.exists():
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_secret(path)
        word = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "not plain text"
        raise SecretUnusable(f"{path}: {reason}; name a file that may be read with --gateway-secret") from error
    if len(word) < SHORTEST_WORD or not word.isprintable() or " " in word:
        raise SecretUnusable(
            f"{path}: expected one word of at least {SHORTEST_WORD} characters; `openssl rand -hex 32`"
        )
    return word


def _read_secret(path: Path) -> bytes:
    try:
        secret = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError as error:
        raise SecretUnusable(SPOILT.format(path=path)) from error
    if len(secret) < SECRET_BYTES:
        raise SecretUnusable(SPOILT.format(path=path))
    return secret


def _make_secret(path: Path) -> bytes:
    """Write it whole or not at all; of two who do so at once the first one's holds for both."""
    secret = secrets.token_bytes(SECRET_BYTES)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(secret.hex() + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return _read_secret(path)
    finally:
        draft.unlink()
    return secret
