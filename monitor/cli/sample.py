"""``diemcau sample``: writes a complete sample configuration."""

from pathlib import Path

import click

from monitor.rehearsal import province, sample


@click.command()
@click.argument("directory", metavar="[DIR]", default="sample", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--points",
    type=click.IntRange(province.FEWEST, province.MOST),
    default=province.POINTS,
    show_default=True,
    help="How many points; the villages and both trees grow or shrink with it.",
)
@click.option("--seed", type=int, default=2025, show_default=True, help="The same seed makes the same bytes.")
@click.option("--force", is_flag=True, help="Overwrite files that are there already.")
def command(directory: Path, points: int, seed: int, force: bool) -> None:  # noqa: FBT001
    """Write a complete sample configuration into DIR (default: sample): Thanh Hóa, or a province of any size.

    All of it is synthetic except the names and official codes of districts and communes.
    """
    inventory = province.make(points, seed)
    texts = sample.files(inventory)
    if not force:
        _refuse_to_overwrite(directory, texts)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (directory / name).write_text(text, encoding="utf-8", newline="\n")
            click.echo(f"wrote {directory / name}")
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}: name a directory you may write to") from error
    taking_part = sum(point.expected for point in inventory.points.values())
    click.echo(
        f"{points:,} points, of which {taking_part:,} take part; {len(inventory.network):,} network nodes, "
        f"{len(inventory.power):,} power nodes. Synthetic, except the official codes.\n"
        f"Next: diemcau check {directory}"
    )


def _refuse_to_overwrite(directory: Path, texts: dict[str, str]) -> None:
    there = [name for name in texts if (directory / name).exists()]
    if there:
        raise click.ClickException(
            f"{directory} already has {', '.join(there)}: name another directory, or overwrite with --force"
        )
