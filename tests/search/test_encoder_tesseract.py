"""Tesseract as a network that reads words."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from search.encoders import get_network, tesseract
from search.encoders._base import Reader
from search.encoders.tesseract import installed
from search.errors import WeightsMissing
from tests.ingestion.signs import FONT, needs

pytestmark = needs("eng+deu+rus")


def page(words: str = "Museum entrance") -> np.ndarray:
    picture = Image.new("L", (700, 200), 255)
    ImageDraw.Draw(picture).text((60, 70), words, font=ImageFont.truetype(FONT, 40), fill=0)
    return np.asarray(picture)


def reader(name: str = "tesseract:eng") -> Reader:
    network = get_network(name, Path("/nowhere"))
    assert isinstance(network, Reader)
    return network


@pytest.fixture
def program(tmp_path, monkeypatch):
    """program(script) is what is found as Tesseract from then on."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def write(script: str) -> None:
        file = folder / "tesseract"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    return write


SAYS = """case "$*" in
--version) echo "tesseract {version}"; exit ;;
--list-langs) echo 'List of available languages (2):'; echo eng; echo osd; exit ;;
esac
"""


def test_it_works():
    words = reader().read(page(), scattered=False)
    assert [word.text for word in words] == ["Museum", "entrance"]
    first, second = words
    assert 0.8 < first.confidence <= 1
    assert first.line == second.line
    assert 50 < first.x < 75
    assert 60 < first.y < 90
    assert first.x + first.width < second.x


@pytest.mark.parametrize(
    ("name", "words"), [("tesseract:deu", "Straße Übergang"), ("tesseract:rus", "Библиотека Площадь")]
)
def test_other_languages(name, words):
    assert " ".join(word.text for word in reader(name).read(page(words), scattered=True)) == words


def test_an_empty_page_has_no_words():
    assert reader().read(np.full((200, 300), 255, np.uint8), scattered=True) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
def test_it_handles_any_size(size):
    assert reader().read(np.zeros(size, np.uint8), scattered=True) == []


def test_each_language_and_version_is_another_network(program):
    eng, both = reader(), reader("tesseract:eng+deu")
    assert len({eng.fingerprint(), both.fingerprint()}) == 2
    assert len(eng.fingerprint()) == 64
    before = eng.fingerprint()
    assert eng.fingerprint() == before
    program(SAYS.format(version="5.9.1"))
    other = eng.fingerprint()
    assert other != before
    program(SAYS.format(version="5.9.11"))
    assert eng.fingerprint() != other


def test_it_needs_no_weights_and_no_memory():
    network = reader()
    network.load()
    assert (network.memory, network.is_loaded, list(network.files)) == (0, False, [])
    network.rest()


def test_it_says_what_to_install(monkeypatch, tmp_path):
    reader().look()
    with pytest.raises(WeightsMissing, match="tesseract-ocr-chi-sim tesseract-ocr-fin"):
        reader("tesseract:eng+chi_sim+fin").look()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"install tesseract-ocr\."):
        reader().look()
    with pytest.raises(WeightsMissing, match=r"install tesseract-ocr\."):
        reader().read(page(), scattered=True)


@pytest.mark.parametrize("model", ["English", "en", "eng deu", "eng+", "+", "../eng", "eng;ls", "-eng", "e\u0000g"])
def test_it_rejects_what_is_no_language(model):
    with pytest.raises(WeightsMissing):
        get_network(f"tesseract:{model}", Path("/nowhere"))


def test_a_program_that_is_none_is_told(program):
    program("echo I am another program")
    with pytest.raises(WeightsMissing, match="another program"):
        reader().look()


def test_a_program_that_hangs_is_an_error_of_the_picture(program, monkeypatch):
    program(SAYS.format(version="5.3.0") + "exec sleep 60")
    monkeypatch.setattr(tesseract, "SECONDS", 1)
    with pytest.raises(RuntimeError, match="not done with it after 1 second"):
        reader().read(page(), scattered=True)


def test_a_program_that_dies_is_an_error_of_the_picture(program):
    program(SAYS.format(version="5.3.0") + "echo no memory >&2; kill -9 $$")
    with pytest.raises(RuntimeError, match="Tesseract stopped"):
        reader().read(page(), scattered=True)


def test_nothing_is_left_on_the_disk(tmp_path, monkeypatch, program):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "left"))
    (tmp_path / "left").mkdir()
    reader().read(page(), scattered=True)
    program(SAYS.format(version="5.3.0") + "exit 1")
    with pytest.raises(RuntimeError):
        reader().read(page(), scattered=True)
    assert list((tmp_path / "left").iterdir()) == []


def test_what_is_installed_is_asked_once(program, tmp_path):
    asked = tmp_path / "asked"
    program(f"echo x >> {asked}\n" + SAYS.format(version="5.3.0"))
    for _ in range(5):
        assert installed().version == "5.3.0"
    assert asked.read_text().count("x") == 2  # its version, and its languages


def test_no_torch_is_loaded():
    code = (
        "import sys; from pathlib import Path; from search.encoders import get_network;"
        "get_network('tesseract:eng', Path('/')).look(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])
