"""Names of files that every disk takes: unique, short, in plain letters."""

from __future__ import annotations

import re
import unicodedata

LONGEST_STEM = 60


def file_name(number: int, name: str, extension: str) -> str:
    """ "12-police-car.jpg": the number of the picture makes it unique, and keeps it from being CON or .htaccess."""
    last = re.split(r"[/\\]", name)[-1]
    stem = last.rpartition(".")[0] or last
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[:LONGEST_STEM].strip("-")
    return f"{number}-{words}.{extension}" if words else f"{number}.{extension}"


def number_in(name: str) -> int | None:
    """The number of the picture whose file has this name; a folder before it is left out."""
    match = re.match(r"([0-9]{1,18})(?:-[A-Za-z0-9-]*)?\.[a-z0-9]+\Z", re.split(r"[/\\]", name)[-1])
    return int(match[1]) if match else None
