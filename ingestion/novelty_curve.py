"""The criterion over the number of components, as a drawing. No Django in it."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 60, 36, 12, 34
"""Pixels around what is drawn: numbers at the left, names at the right."""
_STEPS = 3


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    components: int
    value: float


@dataclass(frozen=True)
class Line:
    name: str
    points: list[Point]
    decided: bool
    """Its lowest point was chosen."""
    label_y: float

    @property
    def path(self) -> str:
        return " ".join(f"{point.x},{point.y}" for point in self.points)


@dataclass(frozen=True)
class Plot:
    lines: list[Line]
    across: list[Point]
    """What is written below."""
    levels: list[Point]
    """What is written at the left."""
    chosen: Point
    rows: list[tuple[int, float, float]]

    width, height = WIDTH, HEIGHT
    left, right, bottom = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM
    middle = (LEFT + WIDTH - RIGHT) / 2

    @property
    def is_last(self) -> bool:
        return self.chosen.components == self.rows[-1][0]


def plot(curve: list[list[float]], criterion: str, components: int) -> Plot | None:
    """``curve``: [[components, BIC, AIC], ...]. None where there is no curve to draw."""
    rows = [(int(k), float(bic), float(aic)) for k, bic, aic in curve]
    if len(rows) < 2:
        return None
    values = [value for row in rows for value in row[1:]]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    first, last = rows[0][0], rows[-1][0]

    def point(k: int, value: float) -> Point:
        x = LEFT + (k - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        y = TOP + (high - value) / span * (HEIGHT - TOP - BOTTOM)
        return Point(round(x, 1), round(y, 1), k, value)

    lines = []
    for at, name in ((1, "BIC"), (2, "AIC")):
        points = [point(row[0], row[at]) for row in rows]
        lines.append(Line(name, points, name.lower() == criterion, points[-1].y))
    decided = next((line for line in lines if line.decided), lines[0])
    chosen = next((each for each in decided.points if each.components == components), decided.points[0])
    levels = [point(first, low + (high - low) * step / _STEPS) for step in range(_STEPS + 1)]
    return Plot(_apart(lines), decided.points, levels, chosen, rows)


def _apart(lines: list[Line]) -> list[Line]:
    """Their names must not lie on one another."""
    upper, lower = sorted(lines, key=lambda line: line.label_y)
    gap = max(0.0, 14 - (lower.label_y - upper.label_y)) / 2
    return [
        Line(line.name, line.points, line.decided, round(line.label_y + (gap if line is lower else -gap), 1))
        for line in lines
    ]
