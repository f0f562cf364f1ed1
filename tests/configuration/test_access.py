"""access.yaml: how people are let in."""

from pathlib import Path

import pytest

from monitor.configuration import InvalidConfiguration, load
from monitor.core.access import AccessPolicy, ProxyPolicy, Role

PROXY = "proxy: {trusted: [10.0.0.0/24, '2001:db8::1'], header: X-User, roles: {'*': wall, huong: organizer}}"


def test_without_a_file_local_accounts_alone_open_the_door(config: Path) -> None:
    assert load(config).access == AccessPolicy()


def test_what_the_file_says_is_in_force(config: Path) -> None:
    (config / "access.yaml").write_text(f"session: 1h\nattempts: 3\nwait: 1m\n{PROXY}\n")
    roles = {"*": Role.WALL, "huong": Role.ORGANIZER}
    proxy = ProxyPolicy(trusted=("10.0.0.0/24", "2001:db8::1"), header="X-User", roles=roles)
    assert load(config).access == AccessPolicy(session_s=3600.0, attempts=3, wait_s=60.0, proxy=proxy)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("session: 10s", 'access.yaml:1:10: session: expected from 5m to 30d, got "10s"'),
        ("attempts: 0", "access.yaml:1:11: attempts: expected at least 1"),
        ("proxy: {trusted: []}", "access.yaml:1:18: proxy.trusted: expected from 1 to 20 networks, got an empty list"),
        (
            "proxy: {trusted: [10.0.0.1/8]}",
            'access.yaml:1:18: proxy.trusted: expected networks such as 10.0.0.0/24 or 10.0.0.1, got "10.0.0.1/8"',
        ),
        ("proxy: {trusted: [0.0.0.0/0]}", 'expected networks of proxies of yours, got "0.0.0.0/0", which is everybody'),
        (
            "proxy: {trusted: [10.0.0.1], header: Cookie}",
            'access.yaml:1:38: proxy.header: expected the name of a header of the proxy\'s own, got "Cookie"',
        ),
        (
            "proxy: {trusted: [10.0.0.1], roles: {huong: boss}}",
            "proxy.roles.huong: expected one of wall, organizer, technician, administrator",
        ),
        ("proxy: {trusted: [10.0.0.1], roles: {'a b': wall}}", "a user's name without blanks, or * for all"),
        ("sesion: 1h", 'Did you mean "session"?'),
    ],
)
def test_a_mistake_is_named_by_line_and_column(config: Path, text: str, message: str) -> None:
    (config / "access.yaml").write_text(text + "\n")
    with pytest.raises(InvalidConfiguration) as caught:
        load(config)
    assert any(message in str(error) for error in caught.value.errors), [str(error) for error in caught.value.errors]
