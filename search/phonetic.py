"""Words as they are compared: written the same way, in Latin letters, by their sound, and with letters missing.

What works (tests/search/test_phonetic.py): every alphabet whose words are separated. Russian, Greek, Armenian, Georgian
and the like are compared and sounded as Latin letters (anyascii), so that ``moskva`` finds МОСКВА and ``gross`` GROSS
or GROẞ; accents and umlauts are left out (``Grosse`` is Größe; ``Groesse`` is one letter from it). Arabic and Hebrew
do without vowels, as they are written: a word finds itself and its misspellings, but ``marhaba`` is two letters from
مرحبا (mrhb). Korean works by syllables and by their Latin letters.
What does not: Chinese, Japanese, Thai, Lao, Khmer and Burmese do not separate words, so each sign is a word of its own
and a question in them is a phrase of signs, found to the letter and never misspelt. The sounds are those of English
(metaphone): for other languages they are a rough guess that only ever adds words.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

import jellyfish
from anyascii import anyascii
from rapidfuzz.distance import OSA

LONGEST = 64
"""Letters of a word that count."""
DELETED, PREFIX = 2, 7
"""Letters that may be missing of so many first letters, in what a word is kept under."""
NUMBERS = 2**22 - 1
"""Keys are numbers up to this one. At a million words each stands for six: the index lists them in half the room that
it needs for numbers of 32 bits, and a question compares a few hundred words more, in no more time (bench)."""
SHORT = 3
"""Words up to this length are alike only if they sound the same: nearly all are one letter from each other."""
SOUND_BONUS, SURE = 0.1, 0.93
"""What the same sound adds to the likeness; and the most that a word gets that is written differently."""

_INVISIBLE = re.compile("[\u00ad\u0640\u200b-\u200f\u2060\ufeff\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670]")
"""Soft hyphens, joiners, directions, and the vowel points that Hebrew and Arabic nearly always leave out."""
_APOSTROPHE = re.compile(r"(?<=\w)['’ʼ](?=\w{1,2}\b)")
"""Of don't and it's, which are one word; not of l'école or O'Neil, which are two."""
_OWNED = re.compile(r"(\w+)['’ʼ]s\b", re.IGNORECASE)
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
_LIKE_LETTERS = str.maketrans("0158", "olsb")
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("i", "l"))
"""Measured on 52,000 words with one, two and three such mistakes: a filter finds 1.00, 0.89 and 0.82 of them, and 0.97,
0.66 and 0.55 without; 1 % of the words are another word then (files, flies). e and c, u and ii were no gain."""


# --- words of a text
def words_in(text: str) -> Iterator[tuple[str, str]]:
    """(as it stands, as it is compared) of each word, in their order. Anything may be in the text."""
    for chunk in _APOSTROPHE.sub("", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))).split():
        for run in [chunk] if chunk.isalnum() else _runs(chunk):
            for word in _UNSPACED.sub(r" \g<0> ", run).split() if not run.isascii() else (run,):
                yield word[:LONGEST], _plain(word)


def words_kept(text: str) -> Iterator[tuple[str, str]]:
    """The same, and behind all of them the dog of each dog's: it is found by both, and those side by side stay so."""
    yield from words_in(text)
    for owner in _OWNED.findall(_INVISIBLE.sub("", unicodedata.normalize("NFKC", text))):
        yield from words_in(owner)


def _runs(chunk: str) -> list[str]:
    """Letters, digits and their marks that stand together."""
    return "".join(sign if sign.isalnum() or unicodedata.category(sign)[0] == "M" else " " for sign in chunk).split()


def _plain(word: str) -> str:
    return word.lower()[:LONGEST] if word.isascii() else unicodedata.normalize("NFKC", word.casefold())[:LONGEST]


def is_sign(word: str) -> bool:
    """A sign of a script that does not separate words: only itself is like it."""
    return bool(_UNSPACED.match(word))


# --- forms of a word, which is written as words_in gives it
def latin(word: str) -> str:
    """In lower Latin letters and digits; "" if there is no way to write it so."""
    return word if word.isascii() else re.sub("[^a-z0-9]+", "", anyascii(word).lower())[:LONGEST]


def unmistaken(letters: str) -> str:
    """Latin letters with digits that are taken for them read as letters: each sign for itself, none more or less."""
    return letters.translate(_LIKE_LETTERS)


def confused(letters: str) -> str:
    """One form for all that readers of print take for each other: rn and m, vv and w, l, 1 and I."""
    letters = unmistaken(letters)
    for pair, one in _PAIRS:
        letters = letters.replace(pair, one)
    return letters


@lru_cache(10_000)
def sound(letters: str) -> str:
    """The metaphone of Latin letters; "" if it says too little."""
    return jellyfish.metaphone(letters)


def keys(word: str, prefix: int = PREFIX, deleted: int = DELETED) -> list[int]:
    """What a word is kept and looked for under: numbers, sorted.

    Two words share a key if they sound the same, if they look the same to a reader of print, or if one is ``deleted``
    edits from the other (delete, insert, replace, swap: the symmetric deletion of SymSpell, on first letters only).
    Others may share one too: what is found by keys must be compared.
    """
    letters = latin(word)
    if not letters or is_sign(word):
        return []
    found = {f"c{confused(letters)}"}
    if len(code := sound(letters)) > 1:
        found.add(f"s{code}")
    if not letters.isdigit():
        start = unmistaken(letters)[:prefix]
        # Three letters stay: two of them would be a key of thousands of words, and none of five letters needs it.
        for count in range(min(deleted, max(0, len(start) - SHORT)) + 1):
            found.update(map("".join, combinations(start, len(start) - count)))
    return sorted(_number(key) for key in found)


def _number(key: str) -> int:
    return zlib.crc32(key.encode()) & NUMBERS


# --- how alike words are
def likeness(asked: str, word: str) -> float:
    """0..1: 1 is the same word, 0.97 the same in other letters, 0.95 one that readers of print take for it.

    Else 1 - edits / letters of the longer one, where an edit may swap neighbours, and a little more for the same
    sound. 0 for short words that sound differently, and for numbers: another number is another thing.
    """
    if asked == word:
        return 1.0
    a, b = latin(asked), latin(word)
    if not a or not b or is_sign(asked) or is_sign(word):
        return 0.0
    if a == b:
        return 0.97
    if confused(a) == confused(b):
        return 0.95
    if a.isdigit() or b.isdigit():
        return 0.0
    return _edited(a, b, min(OSA.distance(a, b), 0.5 + OSA.distance(confused(a), confused(b))))


def _edited(a: str, b: str, edits: float) -> float:
    same_sound = len(sound(a)) > 1 and sound(a) == sound(b)
    if not same_sound and min(len(a), len(b)) <= SHORT:
        return 0.0
    return max(0.0, min(SURE, 1 - edits / max(len(a), len(b)) + SOUND_BONUS * same_sound))
