"""``diemcau render``: configuration of other programs, from ours."""

import shutil
import subprocess
import sys
import tempfile
from difflib import unified_diff
from pathlib import Path

import click

CREDENTIALS = "gateway_secret"
DIRECTORY = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Make the configuration of the programs around us from contacts.yaml and gateway.yaml."""


@command.command()
@click.option("--config", default="config", show_default=True, type=DIRECTORY, help="Directory with contacts.yaml.")
@click.option("--output", type=FILE, help="Where to write it, whole or not at all. [default: standard output]")
@click.option(
    "--credentials-file",
    default=CREDENTIALS,
    show_default=True,
    metavar="PATH",
    help="The file with the word that webhooks bring, as Alertmanager finds it (relative: beside its configuration). "
    "The monitor has the same word from --gateway-secret, or makes gateway.key in its state directory.",
)
@click.option("--gateway", multiple=True, metavar="URL", help="Instead of `gateways` in contacts.yaml. Repeatable.")
@click.option("--check", is_flag=True, help="Write nothing; end with 1 where --output is not what would be written.")
def alertmanager(
    config: Path,
    output: Path | None,
    credentials_file: str,
    gateway: tuple[str, ...],
    check: bool,  # noqa: FBT001
) -> None:
    """Alertmanager's routes, receivers, inhibitions and duty hours, one receiver a desk.

    What amtool, where it is on the PATH, does not accept is not written.

    \b
    Examples:
      diemcau render alertmanager --output config/alertmanager/alertmanager.yml
      diemcau render alertmanager --check --output config/alertmanager/alertmanager.yml
    """  # noqa: D301
    from monitor.configuration import InvalidConfiguration, load  # noqa: PLC0415
    from monitor.service import alertmanager_configuration  # noqa: PLC0415

    try:
        configuration = load(config)
    except InvalidConfiguration as invalid:
        for error in invalid.errors:
            click.echo(str(error), err=True)
        raise click.ClickException(f"{invalid.total} errors in {config}") from None
    try:
        text = alertmanager_configuration(configuration, credentials_file, gateway)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    _judge(text)
    if output is None:
        click.echo(text, nl=False)
    else:
        _compare(text, output) if check else _write(text, output)


def _judge(text: str) -> None:
    """Have amtool look at it, where it is there."""
    amtool = shutil.which("amtool")
    if amtool is None:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as draft:
        draft.write(text)
        draft.flush()
        judged = subprocess.run(  # noqa: S603 - a program of the PATH, a file of ours
            [amtool, "check-config", draft.name], capture_output=True, text=True, timeout=30, check=False
        )
    if judged.returncode:
        raise click.ClickException(f"amtool does not accept it:\n{judged.stdout}{judged.stderr}")


def _compare(text: str, output: Path) -> None:
    found = output.read_text("utf-8") if output.exists() else ""
    if found == text:
        click.echo(f"{output} is up to date", err=True)
        return
    lines = (found.splitlines(keepends=True), text.splitlines(keepends=True))
    sys.stdout.writelines(unified_diff(*lines, str(output), "rendered"))
    raise click.ClickException(f"{output} is not what contacts.yaml says: render it again")


def _write(text: str, output: Path) -> None:
    from monitor.alerting.publication import write  # noqa: PLC0415

    try:
        changed = write(text, output)
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror or error}") from None
    done = "written; have Alertmanager read it: POST /-/reload, or SIGHUP" if changed else "is up to date"
    click.echo(f"{output} {done}", err=True)
