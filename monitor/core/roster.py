"""Who of the platform's participants is which point. Pure.

A participant is matched by the name under which it joined. What is compared is the name in lower case without
punctuation and runs of blanks; first with its Vietnamese accents and then, because a keyboard at a village may have
none, without. A point answers to its id, to its name, and to its name beside that of its district; a name that two
points answer to (eighteen communes share theirs) matches neither, only their id or the form with the district does.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from monitor.core.model import Inventory, Point

_NOT_WORDS = re.compile(r"[\W_]+")
_FORMS = ("{name} {district}", "{district} {name}")
_DISTRICT_TYPES = ("huyện ", "thị xã ", "thành phố ")


def spoken(name: str) -> str:
    """A name as it is compared."""
    return _NOT_WORDS.sub(" ", unicodedata.normalize("NFC", name).casefold()).strip()


def unaccented(name: str) -> str:
    """A spoken name as it is typed without a Vietnamese keyboard."""
    decomposed = unicodedata.normalize("NFD", name.replace("đ", "d"))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


class Register:
    """The points, by every name that they answer to."""

    def __init__(self, inventory: Inventory) -> None:
        self._accented = _unambiguous(_names(inventory))
        self._unaccented = _unambiguous((unaccented(name), point_id) for name, point_id in _names(inventory))

    def point_of(self, name: str) -> str | None:
        """The point that joined under this name; None for a stranger, or for a name that is not one point's."""
        said = spoken(name)
        return self._accented.get(said) or self._unaccented.get(unaccented(said))

    def joined(self, names: Iterable[str]) -> set[str]:
        """The points that have joined."""
        return {point_id for point_id in map(self.point_of, names) if point_id is not None}


def _names(inventory: Inventory) -> Iterator[tuple[str, str]]:
    for point in inventory.points.values():
        if point.expected:
            for name in _names_of(point, inventory):
                yield spoken(name), point.id


def _names_of(point: Point, inventory: Inventory) -> Iterator[str]:
    yield point.id
    yield point.name
    district = inventory.district_name(point.district_code)
    if district:
        for told in {district, _short(district)}:
            for form in _FORMS:
                yield form.format(name=point.name, district=told)


def _short(district: str) -> str:
    lower = district.lower()
    return next((district[len(kind) :] for kind in _DISTRICT_TYPES if lower.startswith(kind)), district)


def _unambiguous(names: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    shared: set[str] = set()
    for name, point_id in names:
        if found.setdefault(name, point_id) != point_id:
            shared.add(name)
    return {name: point_id for name, point_id in found.items() if name and name not in shared}
