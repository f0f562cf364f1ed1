"""``diemcau run``: the service."""

import asyncio
import logging
import os
import socket
import sys
from pathlib import Path

import click
import msgspec
import structlog
import uvloop

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def state_directory() -> Path:
    """Where state is kept when nobody says: as systemd names it, or at home."""
    named = os.environ.get("DIEMCAU_STATE") or os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(named) if named else Path(home) / "diemcau"


def listen_address(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is no place to listen before anything is opened."""
    for value in values:
        _, separator, port = value.rpartition(":")
        if not separator or not port.isdecimal() or int(port) > 65535:
            raise click.BadParameter(f'expected HOST:PORT, :PORT or fd:N, got "{value}"')
    return values


@click.command()
@click.option(
    "--config",
    default="config",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Directory with points.csv, network.csv, power.csv, checks.yaml and ceremony.yaml.",
)
@click.option(
    "--listen",
    multiple=True,
    default=("127.0.0.1:8080",),
    show_default=True,
    callback=listen_address,
    help="Where to serve board and metrics: HOST:PORT, :PORT for every address, or fd:N, an open socket. Repeatable.",
)
@click.option(
    "--state",
    default=state_directory,
    show_default="$DIEMCAU_STATE, $STATE_DIRECTORY or ~/.local/state/diemcau",
    type=click.Path(path_type=Path),
    help="Directory of what outlives a run: the secret that signs links, and the store where no other is named.",
)
@click.option(
    "--store",
    default="",
    envvar="DIEMCAU_STORE",
    metavar="URL",
    help="Where check-ins, snapshots and accounts are kept: postgresql://… or a file. [default: diemcau.db in --state]",
)
@click.option("--alertmanager", multiple=True, metavar="URL", help="An Alertmanager to post to. Repeatable.")
@click.option(
    "--external-url", default="", metavar="URL", help="Where people reach the board; links in alerts begin with it."
)
@click.option(
    "--gateway-secret",
    type=click.Path(path_type=Path),
    default=None,
    show_default="gateway.key in --state",
    help="File with the word that Alertmanager's webhooks bring: the credentials_file of its configuration.",
)
@click.option(
    "--alertmanager-config",
    type=click.Path(path_type=Path),
    default=None,
    help="Keep this file as `diemcau render alertmanager` would write it, and have Alertmanager read it again.",
)
@click.option("--vantage", default=socket.gethostname, show_default="host name", help="Name of this vantage point.")
@click.option("--probe-any-target", is_flag=True, help="Let /probe ask addresses that are not in the inventory.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--log-level", type=click.Choice(list(LEVELS)), default="info", show_default=True)
def command(
    config: Path,
    listen: tuple[str, ...],
    state: Path,
    store: str,
    alertmanager: tuple[str, ...],
    external_url: str,
    gateway_secret: Path | None,
    alertmanager_config: Path | None,
    vantage: str,
    probe_any_target: bool,  # noqa: FBT001
    log_format: str,
    log_level: str,
) -> None:
    """Monitor the province: probe, detect, publish, alert, show.

    Serves the board on /, metrics on /metrics, and reloads on SIGHUP or POST /-/reload. An invalid new
    configuration is refused, and the old one keeps running.

    \b
    Examples:
      diemcau run
      diemcau run --config /etc/diemcau --listen :8080 --alertmanager http://127.0.0.1:9093
    """  # noqa: D301
    from monitor.configuration import InvalidConfiguration  # noqa: PLC0415
    from monitor.configuration.links import SecretUnusable  # noqa: PLC0415
    from monitor.core.records import NotRecorded  # noqa: PLC0415
    from monitor.service import Service, Settings  # noqa: PLC0415
    from monitor.store import StoreUnusable  # noqa: PLC0415

    configure_log(log_format, LEVELS[log_level])
    settings = Settings(
        config=config,
        listen=listen,
        state=state,
        store=store,
        alertmanagers=alertmanager,
        external_url=external_url or _guess_url(listen[0]),
        gateway_secret=gateway_secret,
        alertmanager_config=alertmanager_config,
        vantage=vantage,
        probe_any_target=probe_any_target,
    )

    async def serve() -> None:
        await Service(settings).run()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    except InvalidConfiguration as invalid:
        for error in invalid.errors:
            click.echo(str(error), err=True)
        raise click.ClickException(
            f"{invalid.total} errors in {config}; `diemcau sample {config}` writes a complete sample"
        ) from None
    except (SecretUnusable, StoreUnusable, NotRecorded) as unusable:
        raise click.ClickException(str(unusable)) from None
    except OSError as error:
        raise click.ClickException(f"cannot serve: {error.strerror or error}") from None


def configure_log(form: str, level: int) -> None:
    """Lines on standard error: for people, or JSON for programs. Times are UTC."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    final: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    if form == "json":
        final = structlog.processors.JSONRenderer(_as_json)
    structlog.configure(
        processors=[*shared, final],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=(
            structlog.BytesLoggerFactory(sys.stderr.buffer)
            if form == "json"
            else structlog.PrintLoggerFactory(sys.stderr)
        ),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def _as_json(line: object, **_: object) -> bytes:
    return msgspec.json.encode(line, enc_hook=repr)


def _guess_url(listen: str) -> str:
    host, _, port = listen.rpartition(":")
    if host == "fd":
        return ""
    return f"http://{host if host not in ('', '0.0.0.0', '[::]') else os.uname().nodename}:{port}"  # noqa: S104
