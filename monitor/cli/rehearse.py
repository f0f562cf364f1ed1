"""``diemcau rehearse``: faults on an emulated province, and the score."""

from pathlib import Path

import click
import msgspec

SCENARIO = "morning"
CONFIG = Path("config")


def duration_given(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Seconds of ``90s``, ``10m``, ``1h30m``; a bare number is seconds."""
    from monitor.configuration.decode import UNITS  # noqa: PLC0415

    if value is None:
        return None
    seconds = UNITS["_s"].read(value if value[-1:].isalpha() else f"{value}s")
    if not seconds:
        raise click.BadParameter(f'expected a duration such as 90s or 10m, got "{value}"')
    return float(seconds)


def ratio_given(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """0 to 1, of ``1%`` or ``0.01``."""
    from monitor.configuration.decode import UNITS  # noqa: PLC0415

    ratio = None if value is None else UNITS["_ratio"].read(value)
    if value is not None and ratio is None:
        raise click.BadParameter(f'expected a ratio such as 1% or 0.01, got "{value}"')
    return ratio


def address_given(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``."""
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f'expected HOST:PORT, got "{value}"')
    return host.strip("[]"), int(port)


@click.command()
@click.option(
    "--scenario",
    default=SCENARIO,
    show_default=True,
    metavar="NAME|FILE",
    help="What goes wrong: calm, cuts, district-cut, morning, uplink, who, or a file of your own.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=None,
    show_default="config/ where there is one, else the sample",
    help="The configuration directory to rehearse with. It is copied, and its ceremony moved to now.",
)
@click.option("--everyone", is_flag=True, help="Let merged points and those without coverage take part as well.")
@click.option(
    "--duration",
    callback=duration_given,
    metavar="DURATION",
    help="Play for so long, such as 10m.  [default: the scenario's own]",
)
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 100.0),
    default=1.0,
    show_default=True,
    help="Play events and drain batteries so many times as fast; the network keeps its pace.",
)
@click.option(
    "--loss", callback=ratio_given, metavar="RATIO", help="Loss on every line that is not mobile, such as 1%."
)
@click.option(
    "--loss-4g",
    callback=ratio_given,
    metavar="RATIO",
    help="Loss on mobile lines (check sets whose name ends in 4g), such as 10%.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is left to chance.")
@click.option(
    "--board",
    callback=address_given,
    metavar="HOST:PORT",
    default="127.0.0.1:8080",
    show_default=True,
    help="Where to serve the board; on another port when this one is taken.",
)
@click.option("--stay", is_flag=True, help="After the scenario, keep everything running until Ctrl-C.")
@click.option("--headless", is_flag=True, help="Plain lines only, also on a terminal.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the score here as JSON."
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep logs, configuration and Prometheus' data in this directory.",
)
@click.pass_context
def command(
    ctx: click.Context,
    scenario: str,
    config: Path | None,
    everyone: bool,  # noqa: FBT001
    duration: float | None,
    speed: float,
    loss: float | None,
    loss_4g: float | None,
    seed: int,
    board: tuple[str, int],
    stay: bool,  # noqa: FBT001
    headless: bool,  # noqa: FBT001
    json_file: Path | None,
    keep: Path | None,
) -> None:
    """Play faults on an emulated province against the real service, and score it.

    The province is emulated with real packets in two network namespaces; nothing leaves this machine, and Ctrl-C
    leaves nothing behind. Every village that takes part has its own page open. Prometheus and Alertmanager take part
    when they are on the PATH, and so do real servers at the points: kamailio for the codecs' SIP, upsd for UPSes (as
    root), nginx with its RTMP module and ffmpeg for the broadcast. Ends with a table: for each fault the time to
    detection and to the alert, what was missed, which company was named and told how soon, every false alarm, and
    everybody who was told of what is not theirs. Exit code 0 when all that had to be noticed was, and nothing else.

    \b
    Examples:
      diemcau rehearse
      diemcau rehearse --everyone --scenario district-cut --headless --json out.json
      diemcau rehearse --scenario calm --duration 10m --loss 1% --loss-4g 10%
    """  # noqa: D301
    from monitor.configuration import InvalidConfiguration  # noqa: PLC0415
    from monitor.rehearsal.children import ChildDied  # noqa: PLC0415
    from monitor.rehearsal.namespaces import NamespacesUnavailable  # noqa: PLC0415
    from monitor.rehearsal.scenario import path_of  # noqa: PLC0415
    from monitor.rehearsal.stage import Setting, rehearse  # noqa: PLC0415
    from monitor.rehearsal.terminal import Terminal, table  # noqa: PLC0415

    setting = Setting(
        scenario=path_of(scenario),
        config=config or (CONFIG if CONFIG.is_dir() else None),
        duration_s=duration,
        speed=speed,
        everyone=everyone,
        seed=seed,
        loss_ratio=loss,
        mobile_loss_ratio=loss_4g,
        board=board,
        keep=keep,
        stay=stay,
    )
    terminal = Terminal(live=not headless)
    try:
        outcome = rehearse(setting, terminal.show, terminal.say)
    except InvalidConfiguration as invalid:
        raise click.ClickException(str(invalid)) from None
    except (NamespacesUnavailable, ChildDied, OSError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        terminal.close()
    click.echo(table(outcome))
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(outcome), indent=2) + b"\n")
    ctx.exit(0 if outcome.passed else 1)
