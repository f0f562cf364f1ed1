"""Loss and jitter of RTP."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.codecs import rtp
from probes.codecs.rtp import Packet, Reception, RtpError

CLOCK = 90_000


def packet(sequence: int, timestamp: int = 0, source: int = 7, size: int = 100) -> Packet:
    return Packet(96, sequence % 65536, timestamp % 2**32, source, size)


def received(sequences: list[int]) -> Reception:
    reception = Reception(CLOCK)
    for number, sequence in enumerate(sequences):
        reception.take(packet(sequence), number / 50)
    return reception


def test_a_header_is_read() -> None:
    data = struct.pack(">BBHII", 0x80, 0x80 | 96, 65535, 123456, 99) + b"payload"
    assert rtp.read(data) == Packet(96, 65535, 123456, 99, 19)


@pytest.mark.parametrize("data", [b"", b"\x80" * 11, b"\x00" * 20, struct.pack(">BBHII", 0x8F, 0, 0, 0, 0)])
def test_what_is_no_packet_is_refused(data: bytes) -> None:
    with pytest.raises(RtpError):
        rtp.read(data)


def test_nothing_lost_across_the_wrap_of_sequence_numbers() -> None:
    reception = received(list(range(65500, 65600)))
    assert (reception.packets, reception.expected, reception.loss_ratio) == (100, 100, 0.0)


def test_gaps_are_losses_and_misorder_and_duplicates_are_not() -> None:
    assert received([1, 2, 5, 6]).loss_ratio == pytest.approx(2 / 6)
    assert received([1, 3, 2, 4]).loss_ratio == 0.0
    assert received([1, 2, 2, 3]).loss_ratio == 0.0


def test_a_stream_that_starts_anew_has_lost_nothing() -> None:
    """A jump of thousands, or another source."""
    assert received([1, 2, 30_000, 30_001]).loss_ratio == 0.0
    reception = received([1, 2])
    reception.take(packet(900, source=8), 1.0)
    assert (reception.expected, reception.loss_ratio) == (3, 0.0)


def test_an_even_stream_has_no_jitter_and_an_uneven_one_has() -> None:
    """RFC 3550, section 6.4.1: J += (|D| - J) / 16."""
    even, uneven = Reception(CLOCK), Reception(CLOCK)
    for number in range(200):
        even.take(packet(number, number * 1800), number * 0.02)
        uneven.take(packet(number, number * 1800), number * 0.02 + (number % 2) * 0.01)
    assert even.jitter_s == pytest.approx(0.0, abs=1e-9)
    assert uneven.jitter_s == pytest.approx(0.01, rel=0.01)


def test_timestamps_wrap_without_a_jump() -> None:
    reception = Reception(CLOCK)
    for number in range(50):
        reception.take(packet(number, 2**32 - 20_000 + number * 1800), number * 0.02)
    assert reception.jitter_s == pytest.approx(0.0, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(0, 3), st.floats(0, 1e6))))
def test_whatever_comes_the_figures_stay_within_bounds(packets: list[tuple[int, int, int, float]]) -> None:
    reception = Reception(8000)
    for sequence, timestamp, source, at in packets:
        reception.take(packet(sequence, timestamp, source), at)
    assert 0.0 <= reception.loss_ratio <= 1.0
    assert reception.packets == len(packets)
    assert reception.jitter_s >= 0.0


@given(st.binary(max_size=40))
def test_any_bytes_are_a_packet_or_an_error(data: bytes) -> None:
    with suppress(RtpError):
        rtp.read(data)
