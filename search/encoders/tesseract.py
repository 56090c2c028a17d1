"""Tesseract: a program that reads the words in pictures, in the languages that are installed with it.

Smith, "An overview of the Tesseract OCR engine", ICDAR 2007.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from search.encoders import weights
from search.encoders._base import Reader, Seen
from search.errors import WeightsMissing

KIND = "tesseract"
DEFAULT = "eng"
SECONDS = 60
"""For one look at one picture; a page full of small print takes about ten."""
NICE = 5
"""Pages and imports go first."""
_VERSION = 1
"""Of what is here: counts up when the same program answers otherwise."""
_LANGUAGE = re.compile(r"[a-z]{3}(_[A-Za-z]{2,8}){0,2}")
_PAGE, _SCATTERED = 3, 11
"""Modes of page segmentation: columns, lines and words as on a page; as much text as possible, in no order."""
_LOOK_SECONDS = 10


def network(model: str, folder: Path) -> Tesseract:
    """``model``: languages as Tesseract names them, joined by a plus: "eng+deu". WeightsMissing if it is none."""
    languages = (model or DEFAULT).split("+")
    for language in languages:
        if not _LANGUAGE.fullmatch(language):
            raise WeightsMissing(f"“{language[:40]}” is no language of Tesseract: write them as in eng+deu or chi_sim.")
    return Tesseract(languages)


@dataclass(frozen=True)
class Installed:
    """The program as it is on this machine."""

    path: Path
    version: str
    """ "5.3.0" """
    languages: frozenset[str]
    folder: Path | None
    """Of what it has learned of languages; older versions do not say."""


class Tesseract(Reader):
    files = ()
    side = 1600
    memory = 0
    """It is there only while it reads, and not in this process."""

    def __init__(self, languages: list[str]) -> None:
        self.languages = languages
        model = "+".join(languages)
        self.name, self.label = f"{KIND}:{model}", f"Tesseract ({', '.join(languages)})"

    def look(self) -> None:
        self._installed()

    def _installed(self) -> Installed:
        found = installed()
        missing = [language for language in self.languages if language not in found.languages]
        if missing:
            raise WeightsMissing(
                f"{self.label} cannot read: it has not learned {', '.join(missing)}. "
                f"On Debian and Ubuntu, install {' '.join(map(_package, missing))}."
            )
        return found

    def fingerprint(self) -> str:
        found = self._installed()
        folder = found.folder
        learned = [weights.fingerprint(folder / f"{each}.traineddata") for each in self.languages] if folder else []
        words = f"{_VERSION} {found.version} {'+'.join(self.languages)} {' '.join(learned)}"
        return hashlib.sha256(words.encode()).hexdigest()

    def load(self) -> None:
        self.look()

    @property
    def is_loaded(self) -> bool:
        return False

    def rest(self) -> None:
        """It does so after each picture."""

    def read(self, grey: np.ndarray, scattered: bool) -> list[Seen]:
        tesseract = _pytesseract()
        picture = Image.fromarray(grey)
        picture.format = "BMP"  # the way it goes over the disk: PNG would take longer to pack than some to read
        mode = _SCATTERED if scattered else _PAGE
        try:
            told = tesseract.image_to_data(
                picture,
                lang="+".join(self.languages),
                config=f"--psm {mode}",
                nice=NICE,
                timeout=SECONDS,
                output_type=tesseract.Output.DICT,
            )
        except tesseract.TesseractNotFoundError as error:
            raise WeightsMissing(_absent()) from error
        except tesseract.TesseractError as error:
            self._installed()  # else it is no fault of the picture
            raise RuntimeError(f"Tesseract stopped with {error.status}: {error.message[:300]}") from error
        except RuntimeError as error:
            raise RuntimeError(f"Tesseract was not done with it after {SECONDS} seconds.") from error
        return _seen(told)


def _seen(told: dict[str, list[Any]]) -> list[Seen]:
    rows = zip(
        *(told[name] for name in ("text", "conf", "left", "top", "width", "height")),
        zip(*(told[name] for name in ("block_num", "par_num", "line_num")), strict=True),
        strict=True,
    )
    return [
        Seen(str(text).strip(), float(sure) / 100, x, y, width, height, line)
        for text, sure, x, y, width, height, line in rows
        if str(text).strip() and float(sure) >= 0
    ]


# --- what is installed
def installed() -> Installed:
    """WeightsMissing, with what to do about it, without the program. Asked again only when the program has changed."""
    where = shutil.which(KIND)
    if where is None:
        raise WeightsMissing(_absent())
    path = Path(where).resolve()
    return _asked(weights.stamp([path, *_folders()]), os.environ.get("TESSDATA_PREFIX", ""))


_known_folders: set[Path] = set()


def _folders() -> list[Path]:
    """Where languages were seen before: one more changes the folder."""
    return sorted(_known_folders)


@lru_cache(maxsize=8)
def _asked(stamp: weights.Stamp, prefix: str) -> Installed:
    path = stamp[0][0]
    version = re.search(r"tesseract v?(\d+(?:\.\d+)*)", _output(path, "--version"))
    if not version:
        raise WeightsMissing(f"{path} does not say which version of Tesseract it is: is it another program?")
    head, *languages = _output(path, "--list-langs").splitlines() or [""]
    said = re.search(r'"(.+)"', head)
    folder = Path(said[1]) if said else None
    if folder:
        _known_folders.add(folder)
    return Installed(path, version[1], frozenset(line.strip() for line in languages), folder)


def _output(path: Path, option: str) -> str:
    """What it says, wherever it says it: older versions write to the other stream."""
    try:
        asked = subprocess.run(  # noqa: S603 - the program that the PATH names
            [path, option], capture_output=True, timeout=_LOOK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WeightsMissing(f"{path} does not answer: {error}.") from error
    return (asked.stdout + asked.stderr).decode(errors="replace")


def _absent() -> str:
    return (
        "Words in pictures are not read: the program Tesseract is not installed. "
        "On Debian and Ubuntu, install tesseract-ocr."
    )


def _package(language: str) -> str:
    """Of Debian: chi_sim is in tesseract-ocr-chi-sim."""
    return f"tesseract-ocr-{language.replace('_', '-').lower()}"


@lru_cache(maxsize=1)
def _pytesseract() -> Any:
    # Its threads wait for each other longer than they work; pictures are read beside each other instead.
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")
    return import_module("pytesseract")
