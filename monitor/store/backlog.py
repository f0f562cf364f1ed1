"""What nobody waits for, until there is time to write it: of too much the oldest is dropped and counted."""

from collections.abc import Mapping, Sequence
from itertools import count, islice

from sqlalchemy import Table

Row = Mapping[str, object]
Key = tuple[str, object]


class Backlog:
    """Rows in the order in which they came; of those with one primary key the latest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: dict[Key, tuple[Table, Row]] = {}
        self._numbers = count()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, table: Table, row: Row) -> None:
        """Keep a row; it takes the place of one with the same key, behind the others."""
        key = self._key(table, row)
        self._rows.pop(key, None)
        self._rows[key] = (table, row)
        self._bound()

    def take(self, most: int) -> dict[Key, tuple[Table, Row]]:
        """The oldest."""
        taken = dict(islice(self._rows.items(), most))
        for key in taken:
            del self._rows[key]
        return taken

    def put_back(self, taken: Mapping[Key, tuple[Table, Row]]) -> None:
        """They were not written. What has come since under the same keys holds."""
        self._rows = {**taken, **self._rows}
        self._bound()

    def _bound(self) -> None:
        while len(self._rows) > self._most:
            del self._rows[next(iter(self._rows))]
            self.dropped += 1

    def _key(self, table: Table, row: Row) -> Key:
        keys: Sequence[str] = [column.name for column in table.primary_key]
        own = next(self._numbers) if table.autoincrement_column is not None else tuple(row[name] for name in keys)
        return table.name, own
