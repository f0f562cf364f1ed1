"""Feeds every codec spoilt messages by the million: ``make fuzz``, or ``python tests/fuzz sip nut --inputs 10000``.

Each other module of this folder is an entry, named as its codec: ``SEEDS`` are real messages, ``feed`` pushes bytes
through every decoder, ``ERROR`` is all that it may raise. A finding is any other exception, more than LIMIT_S of CPU
time for one input, or more than MEMORY_BYTES; the input and its traceback go to ``out/fuzz``. The same seed makes
the same inputs. Ends with 1 when there is a finding, with 2 when a worker died or hangs outside Python's reach.
"""

import argparse
import hashlib
import importlib.util
import multiprocessing
import os
import re
import resource
import secrets
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import NoReturn, Protocol, cast

FOLDER = Path(__file__).parent.resolve()
OUT = FOLDER.parents[1] / "out" / "fuzz"

INPUTS = 1_000_000
SLICE = 10_000
"""Inputs made from one generator and fed by one worker at a time."""
LIMIT_S = 0.5
"""CPU time that one input may take; a codec needs some 30 µs."""
MEMORY_BYTES = 1 << 29
"""Address space that a worker may take beyond what it begins with."""
INPUT_BYTES = 1 << 16
"""No longer than what one datagram, or the kernel's buffer, hands to a probe."""
DEFECTS = 50
"""After so many in one slice the rest of it is left: what is slow each time would take hours."""
STUCK_S = 300.0
"""No slice done for so long: a worker hangs where no signal reaches it."""


class Entry(Protocol):
    """A module of this folder."""

    __name__: str
    SEEDS: tuple[bytes, ...]
    ERROR: type[Exception]

    def feed(self, data: bytes) -> None:
        """Push the bytes through every decoder of the codec. Raises nothing but ERROR."""


class Slow(BaseException):
    """One input took more than LIMIT_S of CPU time. No Exception, lest a codec catch it."""


@dataclass
class Tally:
    """What came of inputs: how many were accepted and refused, and each sort of finding once."""

    accepted: int = 0
    refused: int = 0
    defects: int = 0
    findings: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    """Input and traceback, by where it was raised and what."""
    seconds: float = 0.0

    @property
    def inputs(self) -> int:
        """How many were fed."""
        return self.accepted + self.refused + self.defects

    def add(self, other: "Tally") -> None:
        """Count another's too."""
        self.accepted += other.accepted
        self.refused += other.refused
        self.defects += other.defects
        self.seconds += other.seconds
        self.findings = other.findings | self.findings


def entries(folder: Path = FOLDER, name: str = "[a-z]*") -> dict[str, Entry]:
    """Every entry, or the one of this name, by the name of its codec."""
    return {path.stem: _load(path) for path in sorted(folder.glob(f"{name}.py"))}


def _load(path: Path) -> Entry:
    spec = importlib.util.spec_from_file_location(f"fuzz_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Entry", module)


# How a message is spoilt: each takes a generator, the message and another seed.

TOKENS = (
    *(b"\r\n", b"\n", b"\r\n\r\n", b"\0", b" ", b"\t", b'"', b"\\", b"=", b":", b";", b",", b"/", b"<", b">", b"-"),
    *(b"%00", b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\x80" * 8, b"\xff" * 8),
)
"""What means something to one protocol or another, and what is no UTF-8."""
NUMBERS = (
    *(b"0", b"-1", b"1", b"255", b"65535", b"65536", b"2147483648", b"4294967295", b"4294967296", b"-0", b"00", b"+1"),
    *(b"18446744073709551616", b"9" * 40, b"9" * 5000, b"1e309", b"-1e-400", b"0x7f", b"1_0", b"nan", b"inf", b""),
    "٣".encode(),
)
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
DIGITS = re.compile(rb"[0-9]+")


def _at(rng: Random, data: bytes) -> int:
    return int(rng.random() * (len(data) + 1))


def _span(rng: Random, data: bytes) -> tuple[int, int]:
    start = _at(rng, data)
    return start, min(len(data), start + 1 + int(rng.random() ** 3 * 64))


def flip_bits(rng: Random, data: bytes, _: bytes) -> bytes:
    """One to four bits the other way round."""
    spoilt = bytearray(data)
    for _times in range(1 + int(rng.random() * 4)):
        if spoilt:
            spoilt[int(rng.random() * len(spoilt))] ^= 1 << int(rng.random() * 8)
    return bytes(spoilt)


def set_byte(rng: Random, data: bytes, _: bytes) -> bytes:
    """A byte replaced by any other."""
    at = _at(rng, data)
    return data[:at] + bytes((int(rng.random() * 256),)) + data[at + 1 :]


def cut_end(rng: Random, data: bytes, _: bytes) -> bytes:
    """Ends too early."""
    return data[: _at(rng, data)]


def cut_out(rng: Random, data: bytes, _: bytes) -> bytes:
    """A piece is missing."""
    start, end = _span(rng, data)
    return data[:start] + data[end:]


def insert(rng: Random, data: bytes, _: bytes) -> bytes:
    """A token or some random bytes too many."""
    at = _at(rng, data)
    piece = rng.choice(TOKENS) if rng.random() < 0.7 else rng.randbytes(1 + int(rng.random() * 8))
    return data[:at] + piece + data[at:]


def duplicate(rng: Random, data: bytes, _: bytes) -> bytes:
    """A piece comes again, in rare cases hundreds of times."""
    start, end = _span(rng, data)
    times = 1 + int(rng.random() ** 8 * 600)
    return data[:end] + data[start:end] * times + data[end:]


def splice(rng: Random, data: bytes, other: bytes) -> bytes:
    """Begins as one message and ends as another."""
    return data[: _at(rng, data)] + other[_at(rng, other) :]


def follow(_: Random, data: bytes, other: bytes) -> bytes:
    """Another message behind it."""
    return data + other


def set_length(rng: Random, data: bytes, _: bytes) -> bytes:
    """What may be a length says least, most, or one more or less than there is."""
    size = rng.choice((1, 2, 2, 3, 4, 4, 8))
    at = _at(rng, data)
    rest = len(data) - at - size
    value = rng.choice(EXTREMES) if rng.random() < 0.7 else rest + int(rng.random() * 3) - 1
    order = rng.choice(("big", "big", "little"))
    field_ = (value % (1 << 8 * size)).to_bytes(size, "little" if order == "little" else "big")
    return data[:at] + field_ + data[at + size :]


def set_number(rng: Random, data: bytes, _: bytes) -> bytes:
    """A number in digits becomes one that few expect."""
    found = list(DIGITS.finditer(data, 0, 4096))
    if not found:
        return data
    start, end = rng.choice(found).span()
    return data[:start] + rng.choice(NUMBERS) + data[end:]


def noise(rng: Random, data: bytes, _: bytes) -> bytes:
    """Random bytes from some point on."""
    return data[: int(rng.random() ** 2 * len(data))] + rng.randbytes(int(rng.random() * 64))


MUTATIONS: tuple[Callable[[Random, bytes, bytes], bytes], ...] = (
    *(flip_bits, flip_bits, set_byte, set_byte, cut_end, cut_out, insert, insert, duplicate, splice, follow),
    *(set_length, set_length, set_number, set_number, noise),
)


def mutants(seeds: Sequence[bytes], rng: Random, count: int) -> Iterator[bytes]:
    """So many messages, each a seed that was spoilt one to five times."""
    for _ in range(count):
        data = rng.choice(seeds)
        for _times in range(1 + int(rng.random() ** 2 * 5)):
            data = rng.choice(MUTATIONS)(rng, data, rng.choice(seeds))
        yield data[:INPUT_BYTES]


def _too_slow(_signal: int, _frame: object) -> NoReturn:
    raise Slow(f"more than {LIMIT_S} s of CPU time")


def examine(entry: Entry, inputs: Iterator[bytes]) -> Tally:
    """Feed all of them in the main thread, each within its bound of CPU time."""
    tally, begun, feed, error = Tally(), monotonic(), entry.feed, entry.ERROR
    before = signal.signal(signal.SIGPROF, _too_slow)
    try:
        for data in inputs:
            _examine_one(tally, data, feed, error)
            if tally.defects == DEFECTS:
                break
    finally:
        signal.signal(signal.SIGPROF, before)
    tally.seconds = monotonic() - begun
    return tally


def _examine_one(tally: Tally, data: bytes, feed: Callable[[bytes], None], error: type[Exception]) -> None:
    try:
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        feed(data)
        tally.accepted += 1
    except error:
        tally.refused += 1
    except (Exception, Slow) as found:  # noqa: BLE001 - whatever it is, it is a finding
        signal.setitimer(signal.ITIMER_PROF, 0)
        _note(tally, data, found)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _note(tally: Tally, data: bytes, found: BaseException) -> None:
    """Keep the shortest input of each sort."""
    tally.defects += 1
    frames = traceback.extract_tb(found.__traceback__)
    place = "" if isinstance(found, Slow) else f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}"
    sort = f"{type(found).__name__}{place}"
    known = tally.findings.get(sort)
    if known is None or len(data) < len(known[0]):
        tally.findings[sort] = data, "".join(traceback.format_exception(found, limit=-20))


# The work spread over the cores: workers are forked, so that they have the entries already.

ENTRIES: dict[str, Entry] = {}


def _limit_memory() -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES, hard))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent takes it


def _slice(codec: str, seed: int, number: int, count: int) -> tuple[str, Tally]:
    entry = ENTRIES[codec]
    return codec, examine(entry, mutants(entry.SEEDS, Random(f"{seed}:{codec}:{number}"), count))


def _submit(pool: ProcessPoolExecutor, inputs: int, seed: int) -> set[Future[tuple[str, Tally]]]:
    return {
        pool.submit(_slice, codec, seed, number, min(SLICE, inputs - number * SLICE))
        for codec in ENTRIES
        for number in range(-(-inputs // SLICE))
    }


def run(inputs: int, seed: int) -> dict[str, Tally]:
    """Feed each entry so many inputs. Raises BrokenProcessPool when a worker died, TimeoutError when it hangs."""
    tallies = {codec: Tally() for codec in ENTRIES}
    progress = Progress(inputs * len(ENTRIES))
    cores, fork = len(os.sched_getaffinity(0)), multiprocessing.get_context("fork")
    with ProcessPoolExecutor(cores, fork, initializer=_limit_memory) as pool:
        try:
            for codec, tally in _done(_submit(pool, inputs, seed)):
                tallies[codec].add(tally)
                progress.show(codec, tallies)
        except BaseException:
            for process in list((pool._processes or {}).values()):  # a worker that hangs would keep us here
                process.kill()
            pool.shutdown(cancel_futures=True)
            raise
    progress.end()
    return tallies


def _done(pending: set[Future[tuple[str, Tally]]]) -> Iterator[tuple[str, Tally]]:
    while pending:
        done, pending = wait(pending, STUCK_S, FIRST_COMPLETED)
        if not done:
            raise TimeoutError(f"no slice done for {STUCK_S:.0f} s")
        yield from (future.result() for future in done)


class Progress:
    """One line in a terminal, rewritten; elsewhere a line every EVERY_S."""

    EVERY_S = 10.0

    def __init__(self, total: int) -> None:
        self.total, self.begun, self.shown = total, monotonic(), 0.0
        self.terminal = sys.stderr.isatty()

    def show(self, codec: str, tallies: dict[str, Tally]) -> None:
        """Rate, time left, findings so far."""
        now = monotonic()
        if now - self.shown < (0.2 if self.terminal else self.EVERY_S):
            return
        self.shown = now
        done = sum(tally.inputs for tally in tallies.values())
        rate = done / (now - self.begun)
        findings = sum(len(tally.findings) for tally in tallies.values())
        left = (self.total - done) / rate if rate else 0.0
        line = f"{done:,} of {self.total:,} inputs, {rate:,.0f}/s, {left:.0f} s left, {findings} findings ({codec})"
        sys.stderr.write(f"\r\x1b[K{line}" if self.terminal else f"{line}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the terminal clean."""
        if self.terminal:
            sys.stderr.write("\r\x1b[K")


def write(codec: str, data: bytes, trace: str) -> Path:
    """Keep the input of a finding, and beside it the traceback."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{codec}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(trace)
    return path


def report(tallies: dict[str, Tally]) -> int:
    """Print the table, write what was found; how many sorts of findings there were."""
    sys.stdout.write(f"{'codec':<16}{'inputs':>12}{'accepted':>12}{'refused':>12}{'findings':>10}{'µs/input':>10}\n")
    for codec, tally in tallies.items():
        sys.stdout.write(
            f"{codec:<16}{tally.inputs:>12,}{tally.accepted:>12,}{tally.refused:>12,}"
            f"{len(tally.findings):>10}{tally.seconds / max(1, tally.inputs) * 1e6:>10.1f}\n"
        )
    for codec, tally in tallies.items():
        for sort, (data, trace) in tally.findings.items():
            sys.stdout.write(f"{codec}: {sort}: {write(codec, data, trace)}\n{trace.splitlines()[-1]}\n")
    return sum(len(tally.findings) for tally in tallies.values())


def refused_seeds(entry: Entry) -> list[bytes]:
    """Seeds that the codec does not take as they are: fuzzing from these says nothing."""
    return [seed for seed in entry.SEEDS if examine(entry, iter((seed,))).accepted != 1]


def replay(files: Sequence[str]) -> dict[str, Tally]:
    """Feed kept inputs once more, each to the codec that its name begins with."""
    tallies: dict[str, Tally] = {}
    for path in map(Path, files):
        codec = path.stem.rpartition("-")[0]
        tallies.setdefault(codec, Tally()).add(examine(ENTRIES[codec], iter((path.read_bytes(),))))
    return tallies


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("codecs", nargs="*", help="which entries; all of them when none is named")
    parser.add_argument("--inputs", type=int, default=INPUTS, help="mutated inputs for each codec (%(default)s)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="the seed that a run printed")
    parser.add_argument("--replay", nargs="+", metavar="FILE", help="feed these files of out/fuzz, and nothing else")
    return parser.parse_args()


def main() -> int:
    """Load, feed, report."""
    chosen = arguments()
    # Python puts a script's folder first, where dns.py would hide the library of that name.
    sys.path[:] = [place for place in sys.path if Path(place).resolve() != FOLDER]
    found = entries()
    if unknown := set(chosen.codecs) - set(found):
        sys.exit(f"no entry {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    ENTRIES.update({codec: found[codec] for codec in chosen.codecs or found})
    for codec, entry in ENTRIES.items():
        if refused := refused_seeds(entry):
            sys.exit(f"{codec}: a seed is not accepted as it is: {refused[0][:200]!r}")
    if chosen.replay:
        return min(1, report(replay(chosen.replay)))
    sys.stdout.write(f"{len(ENTRIES)} codecs, {chosen.inputs:,} inputs each, --seed {chosen.seed}\n")
    sys.stdout.flush()
    try:
        return min(1, report(run(chosen.inputs, chosen.seed)))
    except (BrokenProcessPool, TimeoutError) as error:
        sys.stderr.write(f"\n{type(error).__name__}: {error}; again with --seed {chosen.seed} one codec at a time\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
