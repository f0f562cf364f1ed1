"""``diemcau render alertmanager``."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from monitor.cli import main
from monitor.rehearsal import province, sample


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("config")
    for name, text in sample.files(province.make(700)).items():
        (made / name).write_text(text, encoding="utf-8")
    return made


def render(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["render", "alertmanager", "--config", str(config), *arguments])


def test_it_is_printed_or_written_and_then_up_to_date(
    config: Path, tmp_path: Path, program: Callable[[str], Path]
) -> None:
    program("amtool")  # which then judges it
    printed = render(config)
    assert printed.exit_code == 0, printed.output
    output = tmp_path / "alertmanager.yml"
    for word in ("written", "up to date"):
        done = render(config, "--output", str(output))
        assert (done.exit_code, word in done.output) == (0, True)
    assert output.read_text(encoding="utf-8") == printed.stdout
    assert render(config, "--check", "--output", str(output)).exit_code == 0


def test_a_file_that_says_something_else_is_shown_and_left_alone(config: Path, tmp_path: Path) -> None:
    output = tmp_path / "alertmanager.yml"
    output.write_text("route: {}\n", encoding="utf-8")
    checked = render(config, "--check", "--output", str(output))
    assert checked.exit_code == 1
    assert "-route: {}" in checked.output
    assert "render it again" in checked.output
    assert output.read_text(encoding="utf-8") == "route: {}\n"


def test_gateways_and_the_word_can_be_named(config: Path) -> None:
    done = render(config, "--gateway", "http://a:1/", "--gateway", "http://b:2", "--credentials-file", "/run/word")
    receivers = {each["name"]: each for each in yaml.safe_load(done.stdout)["receivers"]}
    hooks = receivers["ky-thuat"]["webhook_configs"]
    assert [hook["url"] for hook in hooks] == [f"http://{at}/gateway/alertmanager/ky-thuat" for at in ("a:1", "b:2")]
    assert hooks[0]["http_config"]["authorization"]["credentials_file"] == "/run/word"


def test_without_contacts_it_says_what_to_do(config: Path, tmp_path: Path) -> None:
    for file in config.iterdir():
        if file.name != "contacts.yaml":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    done = render(tmp_path)
    assert done.exit_code == 1
    assert "contacts.yaml names no desk" in done.output


def test_an_invalid_directory_is_told_by_line(tmp_path: Path) -> None:
    done = render(tmp_path / "none")
    assert done.exit_code == 1
    assert "errors in" in done.output
