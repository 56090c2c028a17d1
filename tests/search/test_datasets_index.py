"""What is written beside the pictures of a dataset."""

from __future__ import annotations

import csv
import io
import json

import pytest

from search.datasets.index import INDEXES, Licences, Origin, Record

ABOUT = {"description": "Cars", "url": "http://x/", "date_created": "2026-01-01"}


def record(number: int, licence: str = "CC BY 4.0", caption: str = "a “red” car", **values: object) -> Record:
    facts = {
        "id": number,
        "file": f"images/{number}.jpg",
        "width": 4,
        "height": 3,
        "sha256": "ab",
        "name": "car.jpg",
        "caption": caption,
        "tags": [("car", "thing"), ("red", "")],
        "taken_at": "",
        "added_at": "2026-01-01T00:00:00+00:00",
        "page": f"http://x/image/{number}/",
        "found_by": "car",
        "score": None,
        "sources": [Origin("upload", "", "", "", ""), Origin("page", "http://s/", "Car", "Ann", licence)],
    }
    return Record(**(facts | values))  # type: ignore[arg-type]


def text(kind: str, *records: Record) -> str:
    index, out = INDEXES[kind](ABOUT), io.StringIO()
    for each in records:
        index.add(each)
    index.write(out)
    return out.getvalue()


def test_it_works():
    lines = [json.loads(line) for line in text("jsonl", record(1), record(2)).splitlines()]
    assert [line["id"] for line in lines] == [1, 2]
    assert (lines[0]["licence"], lines[0]["author"], lines[0]["source"]) == ("CC BY 4.0", "Ann", "http://s/")
    assert (lines[0]["tags"], lines[0]["caption"]) == (["car", "red"], "a “red” car")


def test_csv():
    rows = list(csv.DictReader(io.StringIO(text("csv", record(1, caption='=cmd|"x"'), record(2)))))
    assert (rows[0]["tags"], rows[0]["caption"], rows[0]["score"]) == ("car|red", '\'=cmd|"x"', "")
    assert rows[1]["file"] == "images/2.jpg"


def test_coco():
    said = json.loads(text("coco", record(1), record(2, licence="", tags=[("red", "")])))
    assert said["info"]["description"] == "Cars"
    assert said["categories"] == [
        {"id": 1, "name": "car", "supercategory": "thing"},
        {"id": 2, "name": "red", "supercategory": ""},
    ]
    assert [(each["image_id"], each["category_id"]) for each in said["annotations"]] == [(1, 1), (1, 2), (2, 2)]
    assert [each["name"] for each in said["licenses"]] == ["CC BY 4.0", "unknown"]
    assert [(each["file_name"], each["license"]) for each in said["images"]] == [
        ("images/1.jpg", 1),
        ("images/2.jpg", 2),
    ]


@pytest.mark.parametrize("kind", INDEXES)
def test_of_nothing(kind):
    assert text(kind) is not None
    assert kind != "coco" or json.loads(text(kind))["images"] == []


def test_licences():
    licences, out = Licences(), io.StringIO()
    for each in (record(1, licence=""), record(2), record(3)):
        licences.add(each)
    licences.write(out)
    said = out.getvalue()
    assert said.startswith("CC BY 4.0: 2 pictures\n  images/2.jpg · by Ann · http://s/\n")
    assert "No licence is known: 1 picture\nAsk whoever made them" in said
