"""The few strategies that flows and histories are made of, drawn with `random`: a million take minutes, not hours.

Each has the name and the arguments of its counterpart in `hypothesis.strategies`, which may stand in its place.
"""

from __future__ import annotations

__all__ = ["Chance", "booleans", "integers", "lists", "sampled_from", "tuples"]


class Chance:
    """What may be drawn: a function of a `random.Random`."""

    __slots__ = ("draw",)

    def __init__(self, draw):
        self.draw = draw

    def map(self, change):
        return Chance(lambda random: change(self.draw(random)))


def booleans():
    return Chance(lambda random: random.random() < 0.5)


def integers(least, most):
    return Chance(lambda random: random.randint(least, most))


def sampled_from(choices):
    return Chance(lambda random: random.choice(choices))


def tuples(*parts):
    return Chance(lambda random: tuple(part.draw(random) for part in parts))


def lists(part, *, min_size=0, max_size=10):
    return Chance(lambda random: [part.draw(random) for _ in range(random.randint(min_size, max_size))])
