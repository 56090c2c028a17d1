"""Scenes that are drawn, and what people would say of them: what the networks of the tests learn and are asked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import product

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {
    "red": (225, 35, 35),
    "green": (30, 170, 60),
    "blue": (40, 70, 230),
    "yellow": (245, 220, 40),
    "purple": (160, 50, 190),
    "orange": (250, 140, 30),
}
SHAPES = ("circle", "square", "triangle", "star")
COUNTS = {1: "a", 2: "two", 3: "three"}
PLACES = {
    "middle": "in the middle",
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
}
LIGHTS = {"day": "by day", "night": "at night"}


@dataclass(frozen=True)
class Scene:
    """One to three things of one colour and shape, somewhere before a light or a dark sky."""

    colour: str = "red"
    shape: str = "circle"
    count: int = 1
    place: str = "middle"
    light: str = "day"

    def __str__(self) -> str:
        """All that is seen: "two red circles on the left at night"."""
        return words(**{field.name: getattr(self, field.name) for field in fields(self)})

    def has(self, **wanted: object) -> bool:
        """``scene.has(colour="red", count=2)``."""
        return all(getattr(self, name) == value for name, value in wanted.items())


def words(colour: str = "", shape: str = "", count: int = 1, place: str = "", light: str = "") -> str:
    """As much as is known: "a red circle", "two things at night"."""
    thing = (shape or "thing") + ("s" if count > 1 else "")
    article = "an" if count == 1 and (colour or thing).startswith("o") else COUNTS[count]
    return " ".join(filter(None, [article, colour, thing, PLACES.get(place, ""), LIGHTS.get(light, "")]))


ALL = [Scene(*each) for each in product(COLOURS, SHAPES, COUNTS, PLACES, LIGHTS)]
_NUMBER = {scene: number for number, scene in enumerate(ALL)}
UNSEEN = ALL[3::11]
"""These are kept from every training: no network has seen such a scene, only its parts in others."""
SEEN = [scene for scene in ALL if scene not in set(UNSEEN)]


def draw(scene: Scene, seed: int = 0, side: int = 256) -> Image.Image:
    """A square RGB picture. Another seed: other sizes, tones, exact places, the same scene."""
    rng = np.random.default_rng((seed, _NUMBER[scene]))
    image = Image.new("RGB", (side, side), _sky(scene.light, rng))
    pen, colour = ImageDraw.Draw(image), _near(COLOURS[scene.colour], 18, rng)
    for x, y, radius in _spots(scene, rng):
        outline = _outline(scene.shape, rng.uniform(-0.1, 0.1))
        points = [(side * (x + radius * px), side * (y + radius * py)) for px, py in outline]
        pen.polygon(points, fill=colour)
    return image


def draw_all(scenes: list[Scene], seed: int = 0, side: int = 256) -> list[Image.Image]:
    return [draw(scene, seed + number, side) for number, scene in enumerate(scenes)]


def _near(colour: tuple[int, ...], spread: int, rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(v) for v in np.clip(np.array(colour) + rng.integers(-spread, spread + 1, 3), 0, 255))


def _sky(light: str, rng: np.random.Generator) -> tuple[int, ...]:
    return _near((225, 228, 232) if light == "day" else (28, 28, 38), 14, rng)


def _spots(scene: Scene, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """x, y and radius of each thing, as parts of the side: in a row, and across the side that they are at."""
    radius = rng.uniform(0.13, 0.16)
    away = {"left": (0.19, 0.5), "right": (0.81, 0.5), "top": (0.5, 0.19), "bottom": (0.5, 0.81), "middle": (0.5, 0.5)}
    x, y = np.array(away[scene.place]) + rng.uniform(-0.03, 0.03, 2)
    steps = {1: (0,), 2: (-1, 1), 3: (-1, 0, 1)}[scene.count]
    upright, apart = scene.place in ("left", "right"), rng.uniform(0.3, 0.32)
    return [(x, y + apart * step, radius) if upright else (x + apart * step, y, radius) for step in steps]


def _outline(shape: str, turned: float) -> list[tuple[float, float]]:
    corners = {"circle": 48, "square": 4, "triangle": 3, "star": 10}[shape]
    angles = 2 * np.pi * np.arange(corners) / corners - np.pi / 2 + turned + (np.pi / 4 if shape == "square" else 0)
    radii = np.where((np.arange(corners) % 2 == 1) & (shape == "star"), 0.4, 1.1 if corners < 11 else 1.0)
    return [(float(r * np.cos(a)), float(r * np.sin(a))) for r, a in zip(radii, angles, strict=True)]
