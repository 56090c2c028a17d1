"""Words as CLIP reads them: pieces of words, each a number, by the merges of a byte pair encoding.

Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units", ACL 2016. The same numbers as
open_clip's tokenizer, whose list of merges this reads: only that file is touched, since to import open_clip takes long.
"""

from __future__ import annotations

import gzip
import html
from functools import cache, lru_cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

_FILE = "bpe_simple_vocab_16e6.txt.gz"
_MERGES = 49152 - 256 - 2
_START, _END = "<start_of_text>", "<end_of_text>"
_WORD_ENDS = "</w>"
_PATTERN = r"|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def tokens(text: str, length: int) -> np.ndarray:
    """(length,) int64: a start, the words, an end, zeros. What is too long is cut before the end."""
    numbers, _ = _vocabulary()
    words = [numbers[piece] for word in _pattern().findall(_clean(text)) for piece in _pieces(word)]
    row = np.zeros(length, np.int64)
    line = [numbers[_START], *words[: length - 2], numbers[_END]]
    row[: len(line)] = line
    return row


def _clean(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()  # half a character is none
    text = html.unescape(html.unescape(import_module("ftfy").fix_text(text)))
    return " ".join(text.split()).lower()


@cache
def _pattern() -> Any:
    regex = import_module("regex")
    return regex.compile(_START + "|" + _END + _PATTERN, regex.IGNORECASE)


def open_clip_folder() -> Path:
    """Where the package lies; it is not imported."""
    spec = find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise ImportError("open_clip_torch is not installed")
    return Path(spec.origin).parent


@cache
def _vocabulary() -> tuple[dict[str, int], dict[tuple[str, ...], int]]:
    """{piece: number} and {two pieces that are merged: which is merged first}."""
    lines = gzip.decompress((open_clip_folder() / _FILE).read_bytes()).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : _MERGES + 1]]
    letters = list(_letters().values())
    pieces = [*letters, *(letter + _WORD_ENDS for letter in letters), *map("".join, merges), _START, _END]
    return {piece: i for i, piece in enumerate(pieces)}, {merge: i for i, merge in enumerate(merges)}


@cache
def _letters() -> dict[int, str]:
    """{byte: a character that can be seen}: for most the one of Latin-1, in this order."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(byte) for byte in seen} | {byte: chr(256 + i) for i, byte in enumerate(others)}


@lru_cache(maxsize=10_000)
def _pieces(word: str) -> tuple[str, ...]:
    if word in (_START, _END):
        return (word,)
    letters = _letters()
    pieces = [letters[byte] for byte in word.encode()]
    pieces[-1] += _WORD_ENDS
    _, order = _vocabulary()
    while len(pieces) > 1:
        first = min(pairwise(pieces), key=lambda pair: order.get(pair, len(order)))
        if first not in order:
            break
        pieces = _merged(pieces, first)
    return tuple(pieces)


def _merged(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for piece in pieces:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged
