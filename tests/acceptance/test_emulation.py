"""The emulated province under real pings and connections, without any service."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PLAY = """
import asyncio, json, socket, subprocess, sys
import msgspec
from monitor.rehearsal import links, namespaces, sites

fping = sys.argv[1]
points = namespaces.enter_points_side()
listeners = [sites.listen(80)]
centre = namespaces.enter_centre_side()
ours, theirs = socket.socketpair()
fds = (points, centre, theirs.fileno())
forwarder = subprocess.Popen([sys.executable, "-m", "monitor.rehearsal.links", *map(str, fds)], pass_fds=fds)
theirs.close()
lines = {"10.38.1.1": links.Line(0.002), "10.38.1.2": links.Line(0.040), "fd38::1": links.Line(0.002)}
lines["10.38.1.3"] = links.Line(0.002, loss_ratio=1.0)

def order(one):
    ours.sendall(msgspec.json.encode(one) + b"\\n")

def ping(*addresses):
    command = [fping, "-C", "5", "-p", "100", "-t", "1000", "-q", *addresses]
    said = subprocess.run(command, capture_output=True, text=True).stderr
    rows = (line.split(" : ") for line in said.splitlines() if " : " in line)
    return {name.strip(): [None if ms == "-" else float(ms) for ms in times.split()] for name, times in rows}

async def fetch(host):
    reader, writer = await asyncio.open_connection(host, 80)
    writer.write(b"GET / HTTP/1.1\\r\\n\\r\\n")
    head = await reader.readline()
    writer.close()
    return head.decode().strip()

async def pages():
    serving = asyncio.create_task(sites.serve(listeners))
    found = [await fetch("10.38.1.1"), await fetch("198.51.100.7")]
    serving.cancel()
    return found

order(links.Lay(lines))
found = {"whole": ping(*lines), "elsewhere": ping("8.8.8.8", "10.38.200.200"), "pages": asyncio.run(pages())}
order(links.Change(1, cut=("10.38.1.1",)))
found["cut"] = ping("10.38.1.1", "10.38.1.2")
order(links.Change(2, mend=("10.38.1.1",), uplink_loss=1.0))
found["blind"] = ping("10.38.1.1", "10.38.0.1")
order(links.Change(3, uplink_loss=0.0))
found["mended"] = ping("10.38.1.1")
ours.shutdown(socket.SHUT_WR)
forwarder.wait(10)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(emulation: None, program: Callable[[str], Path]) -> dict[str, Any]:
    """Round trips in milliseconds, None for a loss, by what had been done to the lines."""
    command = [sys.executable, "-c", PLAY, str(program("fping"))]
    played = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert played.returncode == 0, played.stderr
    result: dict[str, Any] = json.loads(played.stdout)
    return result


def answered(times: list[float | None]) -> int:
    return sum(time is not None for time in times)


def test_each_point_answers_by_its_own_line(found: dict[str, Any]) -> None:
    """IPv4 and IPv6; the delay is that of both ways, the machine's noise added."""
    whole = found["whole"]
    assert min(whole["10.38.1.1"]) >= 3
    assert min(whole["10.38.1.2"]) >= 78
    assert min(whole["fd38::1"]) >= 3
    assert min(whole["10.38.1.1"]) < min(whole["10.38.1.2"])
    assert answered(whole["10.38.1.3"]) == 0


def test_every_address_there_is_lies_in_the_province(found: dict[str, Any]) -> None:
    """Nothing can leave the machine, whatever the inventory says."""
    assert all(answered(times) == 5 for times in found["elsewhere"].values())
    assert found["pages"] == ["HTTP/1.1 200 OK"] * 2


def test_what_is_cut_is_silent_and_alone(found: dict[str, Any]) -> None:
    assert answered(found["cut"]["10.38.1.1"]) == 0
    assert answered(found["cut"]["10.38.1.2"]) == 5
    assert all(answered(times) == 0 for times in found["blind"].values())
    assert answered(found["mended"]["10.38.1.1"]) == 5
