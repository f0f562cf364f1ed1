"""Fair shares and draws from a seed, the same on every machine and for every Python from 3.11 on."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def stream(seed: int, purpose: str) -> Random:
    """A generator of its own for each purpose, so that a change to one leaves what the others draw."""
    return Random(f"{seed}/{purpose}")


def apportion(total: int, weights: Sequence[float], least: int = 0) -> list[int]:
    """Split ``total`` by weight into whole shares of at least ``least``; largest remainders, so the sum is exact.

    Where ``total`` is less than ``least`` for each, every share is ``least`` all the same.
    """
    rest = max(0, total - least * len(weights))
    quotas = [rest * weight / sum(weights) for weight in weights]
    shares = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(weights)), key=lambda i: shares[i] - quotas[i])
    for i in by_remainder[: rest - sum(shares)]:
        shares[i] += 1
    return [least + share for share in shares]


def chunks(items: Sequence[T], count: int) -> list[Sequence[T]]:
    """Cut a sequence into ``count`` runs of nearly equal length, in order; none is empty if there are enough items."""
    return [items[i * len(items) // count : (i + 1) * len(items) // count] for i in range(count)]


def draw(rng: Random, items: Sequence[T], weights: Sequence[float], count: int) -> list[T]:
    """Draw ``count`` items without putting them back, the likelier the heavier (Efraimidis and Spirakis 2006)."""
    keys = [rng.random() ** (1.0 / weight) for weight in weights]
    return [items[i] for i in sorted(range(len(items)), key=keys.__getitem__, reverse=True)[:count]]
