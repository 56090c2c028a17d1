"""What a model says of pictures, as CSV."""

from __future__ import annotations

import pytest

from search.datasets.file_names import file_name, number_in
from search.datasets.scores import LONGEST_LINE, ScoresError, read_scores


def read(text: str) -> list[tuple[int, str, float]]:
    return [(line.number, line.picture, line.score) for line in read_scores(text.encode())]


def test_it_works():
    assert read("image,score\n12,0.5\ncar.jpg,0.31\n") == [(2, "12", 0.5), (3, "car.jpg", 0.31)]


@pytest.mark.parametrize(
    "text",
    [
        "12,0.5\n",
        "12;0.5",
        "12\t0.5\r\n",
        "\ufeffscore,file\r\n0.5,12\r\n",
        'File_Name,label,Probability\n"12",car,0.5\n\n',
        "\n\n12,5e-1",
    ],
)
def test_it_reads(text):
    assert [line[1:] for line in read(text)] == [("12", 0.5)]


def test_a_name_with_a_comma():
    assert read('name,score\n"a, b.jpg",1')[0][1] == "a, b.jpg"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "This file is empty"),
        ("\n\n", "This file is empty"),
        ("image,score\n12\n", "Line 2 has 1 column;"),
        ("image,score\n1,0.5\n2,high\n", "Line 3: “high” is no number"),
        ("image,score\n1,1.5\n", "Line 2: the score 1.5 is not from 0 to 1"),
        ("image,score\n1,nan\n", "Line 2: “nan” is no number"),
        ("image,score\n1,inf\n", "Line 2: “inf” is no number"),
        ("image,score\n,0.5\n", "Line 2 names no picture"),
        ("image,label\n1,car\n", "Line 1: there is no column “score”"),
        ("what,score\n1,0.5\n", "Line 1: there is no column “image”"),
        ("image,score\n1,0.5\0\n", "Line 2 holds a NUL"),
        (f"image,score\n{'x' * LONGEST_LINE},0.5\n", "Line 2 is longer"),
        ('image,score\n"1,0.5\n', "Line 2 has 1 column"),
    ],
)
def test_it_names_the_line(text, why):
    with pytest.raises(ScoresError, match=why.replace("(", r"\(")):
        read(text)


def test_other_encodings_are_named_by_line():
    with pytest.raises(ScoresError, match="Line 2 is not written in UTF-8"):
        read_scores("image,score\nCafé.jpg,0.5\n".encode("latin-1"))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Police car.JPG", "12-Police-car.jpg"),
        ("../../etc/passwd", "12-passwd.jpg"),
        ("Zürich „alt“.png", "12-Zurich-alt.jpg"),
        ("警车.png", "12.jpg"),
        ("CON", "12-CON.jpg"),
        ("x" * 300 + ".png", f"12-{'x' * 60}.jpg"),
        ("", "12.jpg"),
        ("a\0b\n.jpg", "12-a-b.jpg"),
    ],
)
def test_names_of_files_are_safe(name, file):
    assert file_name(12, name, "jpg") == file
    assert number_in(f"images/{file}") == 12


@pytest.mark.parametrize("name", ["car.jpg", "12", "12-a.b.jpg", "-12.jpg", "", "1" * 30 + ".jpg"])
def test_other_names_have_no_number(name):
    assert number_in(name) is None
