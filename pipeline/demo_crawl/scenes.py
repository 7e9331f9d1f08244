"""What a picture of the demo crawl shows, and its caption.

A scene is one or two things on a ground, chosen at random. Nothing else on the page depends on it, so the caption can
only be known from the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

COLOURS = {
    "red": (214, 38, 44),
    "orange": (245, 134, 20),
    "yellow": (250, 208, 28),
    "green": (36, 150, 66),
    "blue": (40, 92, 214),
    "purple": (132, 58, 176),
    "pink": (250, 138, 186),
    "brown": (134, 82, 44),
}
"""The colours of things, as red, green and blue from 0 to 255."""

GROUNDS = {
    "white": (250, 250, 248),
    "grey": (186, 188, 192),
    "black": (26, 26, 30),
    "pale blue": (198, 226, 248),
}
"""The colours of grounds, each far from all of `COLOURS`, so that every thing is visible."""

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "ring", "crescent")

SIZES = ("large", "small")

CENTRE = (0.5, 0.5)
CORNERS = {
    "at the left": (0.25, 0.5),
    "at the right": (0.75, 0.5),
    "at the top": (0.5, 0.27),
    "at the bottom": (0.5, 0.73),
}
"""Centres of a single small thing, as fractions of the width and the height."""

RELATIONS = {"left of": ((0.27, 0.5), (0.74, 0.5)), "above": ((0.5, 0.27), (0.5, 0.75))}
"""Centres of the first and the second of two things, in reading order."""

PAIR_SHARE = 0.4
"""Share of scenes with two things. A larger share would make captions longer, not easier to learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One shape in a picture."""

    colour: str
    shape: str
    size: str
    centre: tuple[float, float]
    """Fractions of the picture's width and height; the drawing adds jitter."""

    def __str__(self) -> str:
        return f"{self.size} {self.colour} {self.shape}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One or two things on a ground."""

    things: tuple[Thing, ...]
    ground: str
    position: str = ""
    """A key of `CORNERS` or, in the centre, empty for a single thing; a key of `RELATIONS` for two."""

    def __str__(self) -> str:
        first, *others = self.things
        words = f"a {first} on a {self.ground} ground"
        if others:
            return f"{words}, {self.position} a {others[0]}"
        return f"{words}, {self.position}" if self.position else words


def draw_scene(random: Random) -> Scene:
    """A scene in which every choice is independent of every other and of the page."""
    ground = random.choice(list(GROUNDS))
    if random.random() < PAIR_SHARE:
        position = random.choice(list(RELATIONS))
        things = tuple(_thing(random, random.choice(SIZES), centre) for centre in RELATIONS[position])
        return Scene(things=things, ground=ground, position=position)
    size = random.choice(SIZES)
    # A large thing fills the picture, so only a small one can be at one side.
    position = random.choice([*CORNERS, "", "", "", ""]) if size == "small" else ""
    return Scene(things=(_thing(random, size, CORNERS.get(position, CENTRE)),), ground=ground, position=position)


def _thing(random: Random, size: str, centre: tuple[float, float]) -> Thing:
    return Thing(colour=random.choice(list(COLOURS)), shape=random.choice(SHAPES), size=size, centre=centre)


CAPTIONS = (
    "The picture shows {scene}.",
    "The {noun} shows {scene}.",
    "Here is {scene}.",
    "We see {scene}.",
    "{Scene}.",
)
CAPTION_WEIGHTS = (11, 3, 2, 2, 2)
"""Mostly one pattern, so that a small model spends its two minutes of training on pictures, not on grammar."""


def caption(scene: Scene, noun: str, random: Random) -> str:
    """A sentence that describes the picture. `noun` is the page's word for its pictures (`stamp`)."""
    pattern = random.choices(CAPTIONS, CAPTION_WEIGHTS)[0]
    words = str(scene)
    return pattern.format(scene=words, Scene=words[0].upper() + words[1:], noun=noun)


def announcement(scene: Scene) -> str:
    """The caption on pages with captions before the pictures."""
    return f"The next picture shows {scene}."


def short_description(things: Sequence[Thing]) -> str:
    """Alternative text as a careful author writes it: `red star and blue circle`."""
    return " and ".join(f"{thing.colour} {thing.shape}" for thing in things)
