"""Loads a changed configuration whole, or says what is wrong with it: the one in force then stays in force."""

from pathlib import Path

from monitor.configuration import Configuration, InvalidConfiguration, load


def reload(current: Configuration, directory: Path) -> Configuration | InvalidConfiguration:
    """The directory's configuration: ``current`` itself when nothing changed, the errors when it is invalid.

    Reads files, so a caller with an event loop runs it in a thread.
    """
    try:
        new = load(directory)
    except InvalidConfiguration as invalid:
        return invalid
    return current if new == current else new
