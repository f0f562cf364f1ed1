"""Whose fault it is that something was not written: the database's, which may be back soon, or what was to be written.

A database that is away or full only delays what waits. A row that no database would take must not hold up the others.
"""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError, SQLAlchemyError

OURS = (DataError, IntegrityError, InterfaceError, ProgrammingError)
OUR_STATES = {"22", "23"}
"""Classes of SQLSTATE: data exception, integrity constraint violation (ISO/IEC 9075-2)."""


class Unreachable(OSError):  # noqa: N818 - says what is wrong
    """There was no connection to be had."""


DATABASE_ERRORS = (SQLAlchemyError, OSError, TimeoutError)
"""What a database that fails us raises, once Unreachable stands for what its driver says while connecting."""


def is_ours(error: Exception) -> bool:
    """Whether what was to be written is at fault."""
    if not isinstance(error, DBAPIError):
        return not isinstance(error, DATABASE_ERRORS)
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return state[:2] in OUR_STATES
    return isinstance(error, OURS) and not error.connection_invalidated


def said(error: BaseException) -> str:
    """What it says, in one line and without the statement."""
    text = str(getattr(error, "orig", None) or error).rpartition(">: ")[2]
    return text.splitlines()[0] if text else type(error).__name__
