"""The report of a training: report.json for programs, report.html with the examples beside it for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ingestion.watermarks.examination import LINE, Answer, Examination, drawn
from ingestion.watermarks.pupils import Material

JSON, HTML, EXAMPLES = "report.json", "report.html", "examples"
_SHOWN = 12
_LONGEST = 420
_CURVE = 260
"""Pixels of the side of the drawing."""


def write(folder: Path, about: dict[str, Any], examination: Examination, material: Material) -> dict[str, Any]:
    """What is in report.json. The pictures of the examples are copies of those that were examined: private."""
    said = about | examination.figures()
    (folder / EXAMPLES).mkdir(parents=True, exist_ok=True)
    for old in (folder / EXAMPLES).glob("*.jpg"):
        old.unlink()
    shown = [(title, _figures(folder, some, material)) for title, some in _chosen(examination.answers)]
    (folder / JSON).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / HTML).write_text(_page(said, shown), encoding="utf-8")
    return said


def _chosen(answers: Sequence[Answer]) -> Iterable[tuple[str, list[Answer]]]:
    missed = [answer for answer in answers if answer.is_marked and not answer.is_right]
    refused = [answer for answer in answers if not answer.is_marked and not answer.is_right]
    found = [answer for answer in answers if answer.is_marked and answer.is_right]
    passed = [answer for answer in answers if not answer.is_marked and answer.is_right]
    yield "Marked and missed, the worst first", sorted(missed, key=lambda answer: answer.score)[:_SHOWN]
    yield "Clean and taken for marked, the worst first", sorted(refused, key=lambda answer: -answer.score)[:_SHOWN]
    yield "Marked and found, the least sure first", sorted(found, key=lambda answer: answer.score)[:_SHOWN]
    yield "Clean and passed, the least sure first", sorted(passed, key=lambda answer: -answer.score)[:_SHOWN]


def _figures(folder: Path, answers: Iterable[Answer], material: Material) -> list[tuple[str, Answer]]:
    """[(address of the picture, its answer), ...]; they are drawn again."""
    found = []
    for answer in answers:
        name = f"{len(list((folder / EXAMPLES).iterdir())):03}.jpg"
        image = drawn(answer.file, answer.seed, answer.is_marked, material).image
        image.thumbnail((_LONGEST, _LONGEST))
        image.save(folder / EXAMPLES / name, quality=85)
        found.append((f"{EXAMPLES}/{name}", answer))
    return found


# --- the page
def _page(said: dict[str, Any], shown: Iterable[tuple[str, list[tuple[str, Answer]]]]) -> str:
    cells = said["confusion"]
    parts = [
        f"<h1>{escape(str(said.get('label', 'Watermarks')))}</h1>",
        f"<p>{escape(_in_words(said))}</p>",
        _table(
            "Confusion",
            ["", f"score under {LINE}", f"{LINE} and more"],
            [
                ["marked", cells["marked_missed"], cells["marked_found"]],
                ["clean", cells["clean_passed"], cells["clean_refused"]],
            ],
        ),
        f"<h2>Found against wrongly refused</h2>{_curve(said['curve'])}",
        *(
            _table(title, ["", "right", "of"], [[name, f"{row['right']:.1%}", row["of"]] for name, row in rows.items()])
            for title, rows in (
                ("By kind", said["right_by_kind"]),
                ("Marked, by opacity", said["right_by_opacity"]),
                ("Marked, by typeface", said["right_by_typeface"]),
            )
        ),
        *(_gallery(title, pictures) for title, pictures in shown),
    ]
    return _FRAME.format(title=escape(str(said.get("label", "Watermarks"))), body="\n".join(parts))


def _in_words(said: dict[str, Any]) -> str:
    return (
        f"{said['accuracy']:.1%} right of {said['questions']:,} questions about {said.get('held_pictures', 0):,} "
        f"pictures and {len(said.get('held_typefaces', ()))} families of typefaces that it had never seen; "
        f"{said['false_negatives']:.1%} of the marked were missed, {said['false_positives']:.1%} of the clean were "
        f"taken for marked; area under the curve {said['auc']:.3f}. Learned from {said.get('pictures', 0):,} pictures "
        f"in {said.get('minutes', 0):.0f} minutes, {said.get('examples', 0):,} examples."
    )


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><table><tr>{head}</tr>{body}</table>"


def _curve(points: Sequence[Sequence[float]]) -> str:
    line = " ".join(
        f"{_CURVE * across:.1f},{_CURVE * (1 - up):.1f}" for _, across, up in [(1, 0, 0), *points, (0, 1, 1)]
    )
    return (
        f'<svg viewBox="-4 -4 {_CURVE + 8} {_CURVE + 8}" width="{_CURVE}" role="img" aria-label="ROC curve">'
        f'<rect width="{_CURVE}" height="{_CURVE}" class="frame"/><polyline points="{line}"/></svg>'
    )


def _gallery(title: str, pictures: Sequence[tuple[str, Answer]]) -> str:
    if not pictures:
        return f"<h2>{escape(title)}</h2><p>None.</p>"
    figures = "".join(
        f'<figure><img src="{escape(source)}" alt="" loading="lazy"><figcaption>{escape(_caption(answer))}</figcaption>'
        "</figure>"
        for source, answer in pictures
    )
    return f'<h2>{escape(title)}</h2><div class="examples">{figures}</div>'


def _caption(answer: Answer) -> str:
    mark = f", {answer.family}, opacity {answer.opacity:.2f}" if answer.is_marked else ""
    return f"{answer.score:.2f}: {answer.kind}{mark}"


_FRAME = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .2rem .8rem; border: 1px solid #8886; text-align: right; }}
td:first-child {{ text-align: left; }}
svg polyline {{ fill: none; stroke: #2a7; stroke-width: 2; }} svg .frame {{ fill: none; stroke: #8888; }}
.examples {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 1rem; }}
figure {{ margin: 0; }} img {{ width: 100%; display: block; }} figcaption {{ font-size: .85rem; }}
</style>
{body}
</html>
"""
