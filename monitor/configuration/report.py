"""Reads report.yaml: what the report to the People's Committee says beside its figures. The file may be missing."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from monitor.configuration.decode import WRONG, decode
from monitor.configuration.errors import Errors
from monitor.configuration.source import read_yaml
from monitor.core.organization import Letterhead

FILE = "report.yaml"

Line = Annotated[
    str,
    Meta(
        pattern=r"^\S(?:[^\n]*\S)?\Z",
        max_length=120,
        description="a line of 1 to 120 characters, without blanks around it",
    ),
]
Number = Annotated[
    str,
    Meta(
        pattern=r"^(?:[ .…]*|[0-9]{2,6})/[A-ZĐ0-9]{1,12}(?:-[A-ZĐ0-9&]{1,20}){1,3}\Z",
        max_length=60,
        description='a number and sign without blanks around / and -, as 05/BC-SKHCN, or "      /BC-SKHCN" where it '
        "is filled in by hand",
    ),
]
Lines = Annotated[tuple[Line, ...], Meta(min_length=1, max_length=20, description="from 1 to 20 lines")]
Titles = Annotated[tuple[Line, ...], Meta(min_length=1, max_length=4, description="from 1 to 4 lines")]

STANDARD = Letterhead()


class ReportFile(msgspec.Struct, frozen=True):
    """The whole of report.yaml. See :class:`monitor.core.organization.Letterhead`."""

    superior: Line = STANDARD.superior
    agency: Line = STANDARD.agency
    number: Number = STANDARD.number
    place: Line = STANDARD.place
    recipient: Line = STANDARD.recipient
    signer: Titles = STANDARD.signer
    receivers: Lines = STANDARD.receivers
    archive: Line = STANDARD.archive


def read(directory: Path, errors: Errors) -> Letterhead | None:
    """What ``report.yaml`` says; None with every error noted."""
    path = directory / FILE
    if not path.exists():
        return STANDARD
    tree = read_yaml(path, errors)
    if tree is None:
        return None
    file = decode(tree, ReportFile, errors)
    return None if file is WRONG else Letterhead(**msgspec.structs.asdict(file))
