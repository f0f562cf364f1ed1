"""What is printed: papers for people who have no screen of ours, and the report to the People's Committee."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from monitor.core.organization import Letterhead, ReportForm
from monitor.core.snapshot import Content, SnapshotHead

WRITERS = {
    ReportForm.DOCX: "monitor.report.document:document",
    ReportForm.XLSX: "monitor.report.sheet:workbook",
    ReportForm.CSV: "monitor.report.sheet:points_csv",
}
"""Imported when asked for: each brings a library of half a second."""
MEDIA_TYPES = {
    ReportForm.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ReportForm.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ReportForm.CSV: "text/csv; charset=utf-8",
}
TABLES = {
    "points": "monitor.report.tables:point_table",
    "districts": "monitor.report.tables:district_table",
    "tiers": "monitor.report.tables:tier_table",
    "not_ready": "monitor.report.tables:not_ready_table",
}
"""What can be had as CSV by itself."""


def report(content: Content, letterhead: Letterhead, form: ReportForm, snapshot: SnapshotHead | None = None) -> bytes:
    """The report of a count, live or frozen in ``snapshot``. Takes a second at 5,000 points: call it in a thread."""
    return bytes(_named(WRITERS[form])(content, letterhead, snapshot))


def table_csv(content: Content, table: str) -> bytes:
    """One of ``TABLES`` as CSV."""
    return bytes(_named("monitor.report.sheet:csv_of")(_named(TABLES[table])(content)))


def _named(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found
