"""``diemcau bench``: how fast the prober is, beside its peers, and how much it bears."""

import re
from contextlib import AbstractContextManager, nullcontext

import click
import msgspec

from monitor.bench import attribution as attribution_bench
from monitor.bench import checkins as checkins_bench
from monitor.bench import engine as engine_bench
from monitor.bench import hls as hls_bench
from monitor.bench import icmp as icmp_bench
from monitor.bench import pages as pages_bench
from monitor.bench import peers as bench_peers
from monitor.rehearsal import province

DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(_ctx: click.Context, _param: click.Parameter, text: str) -> float:
    """The duration in seconds; refuses what is none, and zero."""
    found = DURATION.fullmatch(text)
    value = float(found[1]) * SECONDS[found[2]] if found else 0.0
    if value <= 0.0:
        raise click.BadParameter(f'expected a duration such as 500ms, 10s or 1m, got "{text}"')
    return value


@click.group()
def command() -> None:
    """Measure the prober, side by side with its peers. Packets go to loopback only."""


@command.command()
@click.option("--targets", type=click.IntRange(1, icmp_bench.TARGETS_MAX), default=5000, show_default=True)
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Medians are reported.")
@click.option("--peers/--no-peers", default=True, help="Beside fping, blackbox_exporter and icmplib, where found.")
@click.option("--json", "as_json", is_flag=True, help="Figures for a program.")
def icmp(targets: int, rounds: int, peers: bool, as_json: bool) -> None:  # noqa: FBT001
    """One echo to each of many loopback addresses, as fast as it goes."""
    try:
        found: AbstractContextManager[dict[str, bench_peers.Contestant]]
        found = bench_peers.found() if peers else nullcontext({})
        with found as contestants:
            report = icmp_bench.run(targets, rounds, contestants)
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error
    click.echo(msgspec.json.encode(report).decode() if as_json else _table(report))
    if report.answered < targets:
        raise click.ClickException(f"only {report.answered:,} of {targets:,} targets answered in the worst round")


def _table(report: icmp_bench.Report) -> str:
    ours = icmp_bench.Peer(
        report.sweep_seconds, report.rtt_median_seconds, report.rtt_p99_seconds, report.answered, 1.0
    )
    rows = [f"{report.targets:,} loopback targets, one echo each, medians of {report.rounds} rounds"]
    rows.append(f"{'':20}{'sweep':>12}{'to ours':>10}{'RTT median':>14}{'RTT p99':>14}{'answered':>11}")
    rows += [
        f"{name:20}{it.sweep_seconds * 1e3:9.1f} ms{it.ratio:9.2f}×{it.rtt_median_seconds * 1e6:11.1f} µs"
        f"{it.rtt_p99_seconds * 1e6:11.1f} µs{it.answered:11,}"
        for name, it in {"diemcau": ours, **report.peers}.items()
    ]
    return "\n".join(rows)


@command.command()
@click.option("--checks", type=click.IntRange(1, icmp_bench.TARGETS_MAX), default=100_000, show_default=True)
@click.option("--interval", default="10s", show_default=True, callback=seconds, help="How often each check is made.")
@click.option("--duration", default="60s", show_default=True, callback=seconds)
@click.option("--rate-limit", type=click.FloatRange(min=1.0), default=50_000.0, show_default=True, help="Probes/s.")
@click.option("--json", "as_json", is_flag=True, help="Figures for a program.")
def engine(checks: int, interval: float, duration: float, rate_limit: float, as_json: bool) -> None:  # noqa: FBT001
    """Very many ICMP checks in one process, every observation folded into the pipeline."""
    report = engine_bench.run(checks, interval, duration, rate_limit)
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
        return
    click.echo(
        f"{report.checks:,} ICMP checks every {report.interval_seconds:g} s for {report.duration_seconds:g} s: "
        f"{report.probes:,} probes, {report.lost:,} lost, {report.kernel_drops:,} dropped by the kernel\n"
        f"CPU {report.cpu_ratio:.1%} of one core, {report.max_rss_bytes / 1e6:,.0f} MB at most\n"
        f"schedule lag {report.lag_p50_seconds * 1e3:.1f} ms median, {report.lag_p99_seconds * 1e3:.1f} ms p99, "
        f"{report.lag_max_seconds * 1e3:.1f} ms at most\n"
        f"RTT {report.rtt_median_seconds * 1e6:.1f} µs median, {report.rtt_p99_seconds * 1e6:.1f} µs p99"
    )


@command.command()
@click.option("--pages", type=click.IntRange(1, 15_000), default=5000, show_default=True)
@click.option("--duration", default="30s", show_default=True, callback=seconds)
@click.option("--restart", is_flag=True, help="Then restart the service, and see how soon every page is back.")
@click.option("--json", "as_json", is_flag=True, help="Figures for a program.")
def pages(pages: int, duration: float, restart: bool, as_json: bool) -> None:  # noqa: FBT001
    """Very many points' pages at once, heartbeats each second, against the service in a process of its own."""
    try:
        report = pages_bench.run(pages, duration, restart=restart)
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
        return
    click.echo(
        f"{report.pages:,} pages for {report.duration_seconds:.0f} s: {report.beats:,} heartbeats echoed, "
        f"{report.unanswered:,} not within a second; all open within {report.opened_seconds:.1f} s\n"
        f"service: CPU {report.cpu_ratio:.1%} of one core, {report.rss_bytes / 1e6:,.0f} MB\n"
        f"RTT {report.rtt_median_seconds * 1e3:.1f} ms median, {report.rtt_p99_seconds * 1e3:.1f} ms p99, "
        f"{report.rtt_max_seconds * 1e3:.1f} ms at most (the client itself at {report.client_cpu_ratio:.0%} CPU)"
    )
    if report.back_seconds is not None and report.stopped_seconds is not None:
        click.echo(
            f"restart: the service ended within {report.stopped_seconds:.1f} s; "
            f"every page was back {report.back_seconds:.1f} s after it was told to"
        )


@command.command(name="check-ins")
@click.option("--points", type=click.IntRange(1, 50_000), default=5000, show_default=True)
@click.option("--duration", default="60s", show_default=True, callback=seconds, help="All check in within it.")
@click.option("--interval", default="1s", show_default=True, callback=seconds, help="How often each point is probed.")
@click.option("--store", default="", metavar="URL", help="A database of its own, emptied by you. [default: SQLite]")
@click.option("--json", "as_json", is_flag=True, help="Figures for a program.")
def check_ins(points: int, duration: float, interval: float, store: str, as_json: bool) -> None:  # noqa: FBT001
    """Every point checks in from its own page while all are probed, against the service in a process of its own."""
    try:
        report = checkins_bench.run(points, duration, interval, store)
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
        return
    click.echo(
        f"{report.check_ins:,} check-ins in {report.duration_seconds:.0f} s: {report.failed:,} failed, "
        f"{report.missing:,} answered and not in the store\n"
        f"answered after {report.answer_median_seconds * 1e3:.1f} ms median, {report.answer_p99_seconds * 1e3:.1f} ms "
        f"p99, {report.answer_max_seconds * 1e3:.1f} ms at most\n"
        f"{report.probes:,} probes meanwhile, {report.late:,} late by more than 50 ms\n"
        f"service: CPU {report.cpu_ratio:.1%} of one core, {report.rss_bytes / 1e6:,.0f} MB"
    )


@command.command()
@click.option("--checks", type=click.IntRange(1, 20_000), default=1000, show_default=True)
@click.option("--interval", default="10s", show_default=True, callback=seconds, help="How often each check is made.")
@click.option("--duration", default="60s", show_default=True, callback=seconds)
@click.option("--json", "as_json", is_flag=True, help="Figures for a program.")
def hls(checks: int, interval: float, duration: float, as_json: bool) -> None:  # noqa: FBT001
    """Very many HLS streams, playlist and newest segment of each, from a real nginx on loopback."""
    try:
        report = hls_bench.run(checks, interval, duration)
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
    else:
        click.echo(
            f"{report.checks:,} HLS checks every {report.interval_seconds:g} s for {report.duration_seconds:g} s: "
            f"{report.probes:,} probes, {report.failed:,} failed, {report.segments:,} segments, "
            f"{report.bytes_per_second / 1e6:.1f} MB/s\n"
            f"CPU {report.cpu_ratio:.1%} of one core; a probe took {report.duration_median_seconds * 1e3:.1f} ms "
            f"in the median, {report.duration_p99_seconds * 1e3:.1f} ms p99"
        )
    if report.failed:
        raise click.ClickException(f"{report.failed:,} probes failed, the first with: {report.first_failure}")


@command.command()
@click.option("--scenarios", type=click.IntRange(1, 100_000), default=200, show_default=True, help="Of each family.")
@click.option(
    "--replays", type=click.IntRange(0, 10_000), default=10, show_default=True, help="Played, of each family."
)
@click.option("--seed", type=click.IntRange(0), default=attribution_bench.REPORT_SEED, show_default=True,
              help="Tuning uses seeds below 1000, reports the default.")  # fmt: skip
@click.option("--points", type=click.IntRange(province.FEWEST, province.MOST), default=4985, show_default=True)
@click.option("--large", type=click.IntRange(0, province.MOST), default=100_000, show_default=True,
              help="Points of the province that is only timed; 0 for none.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Figures for a program.")
def attribution(scenarios: int, replays: int, seed: int, points: int, large: int, as_json: bool) -> None:  # noqa: FBT001
    """Who is to blame: drawn scenarios, our answers and those of other methods held against the truth."""
    if 0 < large < province.FEWEST:
        raise click.BadParameter(f"a sample has at least {province.FEWEST} points", param_hint="--large")
    timed = province.make(large) if large else None
    report = attribution_bench.run(
        province.make(points), scenarios, seed, replays, timed, lambda text: click.echo(text, err=True)
    )
    click.echo(msgspec.json.encode(report).decode() if as_json else "\n".join(attribution_bench.lines(report)))
