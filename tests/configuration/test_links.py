"""Which links hold, and the secret that signs them."""

from pathlib import Path
from stat import S_IMODE

import pytest

from monitor.configuration import InvalidConfiguration, load
from monitor.configuration.links import SECRET_FILE, LinkPolicy, SecretUnusable, link_secret, webhook_secret

NAMED = "district:<code> or commune:<code> of one, or wall"


def test_without_a_file_every_link_of_generation_0_holds(config: Path) -> None:
    assert load(config).links == LinkPolicy()


def test_what_the_file_says_is_in_force(config: Path) -> None:
    (config / "links.yaml").write_text("generation: 2\ngenerations: {V-1: 3}\nrevoked: [TU]\n")
    assert load(config).links == LinkPolicy(2, {"V-1": 3}, ("TU",))


def test_coordinators_and_the_wall_have_links_of_their_own(config: Path) -> None:
    (config / "links.yaml").write_text("generations: {'district:380': 1, wall: 2}\nrevoked: ['commune:14755']\n")
    assert load(config).links == LinkPolicy(0, {"district:380": 1, "wall": 2}, ("commune:14755",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "revoked: [V-99]",
            f'links.yaml:1:11: revoked[0]: expected the id of a point in points.csv, {NAMED}, got "V-99"',
        ),
        (
            "generations: {V99: 1}",
            f'links.yaml:1:15: generations.V99: expected the id of a point in points.csv, {NAMED}, got "V99"',
        ),
        (
            "revoked: ['district:999']",
            f'revoked[0]: expected the id of a point in points.csv, {NAMED}, got "district:999"',
        ),
        ("generation: -1", "links.yaml:1:13: generation: expected"),
        ("generation: soon", "links.yaml:1:13: generation: expected"),
        ("revoke: [TU]", 'links.yaml:1:1: revoke: expected one of generation, generations, revoked, got "revoke"'),
    ],
)
def test_a_mistake_is_named_by_line_and_column(config: Path, text: str, message: str) -> None:
    """A link that was revoked under a misspelt id would still hold."""
    (config / "links.yaml").write_text(text + "\n")
    with pytest.raises(InvalidConfiguration) as caught:
        load(config)
    assert any(message in str(error) for error in caught.value.errors), caught.value.errors


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state"
    secret = link_secret(state)
    assert len(secret) == 32
    assert link_secret(state) == secret
    assert S_IMODE((state / SECRET_FILE).stat().st_mode) == 0o600
    assert [file.name for file in state.iterdir()] == [SECRET_FILE]


@pytest.mark.parametrize("text", ["", "zz", "abcd", "é" * 64])
def test_a_spoilt_secret_is_not_replaced(tmp_path: Path, text: str) -> None:
    """Replacing it would end every link that was handed out."""
    (tmp_path / SECRET_FILE).write_text(text)
    with pytest.raises(SecretUnusable, match="restore it, or delete it"):
        link_secret(tmp_path)


def test_a_directory_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SecretUnusable, match="--state"):
        link_secret(tmp_path / "file")


def test_the_word_of_webhooks_is_made_once_and_kept(tmp_path: Path) -> None:
    word = webhook_secret(tmp_path / "state")
    assert len(word) >= 32
    assert webhook_secret(tmp_path / "state") == word
    assert (tmp_path / "state" / "gateway.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "short\n", "two words of a secret that is long", "x" * 15, "é" * 40])
def test_a_word_of_webhooks_that_is_none_says_what_to_write(text: str, tmp_path: Path) -> None:
    (tmp_path / "word").write_text(text, encoding="utf-8")
    with pytest.raises(SecretUnusable, match="word"):
        webhook_secret(tmp_path, tmp_path / "word")
    with pytest.raises(SecretUnusable, match="--gateway-secret"):
        webhook_secret(tmp_path, tmp_path / "missing")
