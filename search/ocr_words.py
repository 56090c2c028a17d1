"""Text inside pictures, found word by word and also where it is misspelt: by the writer, the OCR or the searcher.

``ocr_condition`` filters, ``ocr_hits`` ranks. What is hidden is not found, from the same statement on that hides it:
search.models.OcrPosting. When the rules of search.phonetic change, a migration has to empty both tables' words
(``word_ids`` to null, no OcrWord): the sweep reads everything again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import connection, transaction
from django.db.models import BooleanField, F, Func, IntegerField, Q, QuerySet, Value

from gallery.models import OcrText
from search.models import OcrPosting, OcrWord
from search.ocr_vocabulary import Alike, alike, matching
from search.phonetic import is_sign, keys, latin, words_in, words_kept

ALIKE_ENOUGH = 0.7
"""For a filter. One edit in four letters, two in seven; less for a word that sounds the same."""
ALIKE_AT_ALL = 0.6
"""For a ranking, where the likest come first: one edit in three letters, two in five."""
LONGEST_QUESTION = 1000
"""Characters; what comes after is not asked."""
MOST_FUZZY = 32
"""Words of one query that are also looked for misspelt; further ones are found to the letter."""
MOST_ENDINGS = 1000
"""Words that one with a * stands for, in a ranking; in a filter it is all of them."""
FEW = 1000
"""Pictures that are named by their ids in a filter."""
BATCH = 500
"""Texts read in one transaction."""
WORDS_LOCK = 7350
"""Shared by all who read texts; whoever removes words has it alone."""


class OcrHit(NamedTuple):
    image_id: int
    score: float
    """0..1; 1: every word that was asked for, to the letter."""
    words: list[str]
    """As they stand in the picture, in their order."""


# --- the filter
def ocr_condition(text: str, phrase: bool, fuzzy: Fuzzy | None = None) -> Q:
    """On Image: all of the words, or words like them, are in text of the picture that is shown.

    ``phrase``: side by side and in this order, misspelt or not. A * in a word of no phrase stands for any letters.
    What is joined by signs only (info@example.org), and signs of scripts without spaces, stand side by side as well.
    A text without a word in it is in no picture. Asks the database right away. ``fuzzy`` is one for a whole query.
    """
    condition, nothing = Q(), Q(pk__in=[])
    fuzzy = fuzzy or Fuzzy(ALIKE_ENOUGH)
    for part in _parts(text, phrase):
        if isinstance(part, str):
            postings = _shown().filter(word_ids__overlap=ArraySubquery(matching(part).values("id")))
        else:
            places = [[each.id for each in fuzzy(word)] for word in part]
            if not all(places):
                return nothing
            postings = _side_by_side(places)
        condition &= _holding(postings)
    return condition or nothing


def _holding(postings: QuerySet[OcrPosting]) -> Q:
    """PostgreSQL takes rare words for frequent ones, and would go through all pictures or postings for them until a
    page is full. So a few ids are read here; and what is asked for is an expression, which no index has in order."""
    found = postings.values_list(F("image_id") + 0, flat=True)
    few = list(found.order_by(F("image_id") + 0)[: FEW + 1])
    return Q(pk__in=few) if len(few) <= FEW else Q(pk__in=found)


def _parts(text: str, phrase: bool) -> Iterator[list[str] | str]:
    """What must be there: words that stand side by side, or a pattern with a *."""
    text = text[:LONGEST_QUESTION]
    for chunk in [text] if phrase else text.split():
        words = [word for _, word in words_in(chunk)]
        if "*" in chunk and words and not (phrase or any(map(is_sign, words))):
            yield chunk
        elif words:
            yield words


class Fuzzy:
    """Words of the vocabulary like those of one query; each word is asked once."""

    def __init__(self, least: float) -> None:
        self.least, self.known = least, dict[str, list[Alike]]()

    def __call__(self, word: str) -> list[Alike]:
        if word not in self.known:
            to_the_letter = len(self.known) >= MOST_FUZZY
            self.known[word] = alike(word, 1.0 if to_the_letter else self.least)
        return self.known[word]


def _shown() -> QuerySet[OcrPosting]:
    return OcrPosting.objects.filter(shown=True)


def _side_by_side(places: Sequence[Sequence[int]]) -> QuerySet[OcrPosting]:
    """``places``: ids of the words that may stand at each place."""
    found = _shown()
    for ids in places:
        found = found.filter(word_ids__overlap=list(ids))
    if len(places) == 1:
        return found
    longest = max(map(len, places))
    table = [[*ids, *[ids[-1]] * (longest - len(ids))] for ids in places]
    rows = Value(table, output_field=ArrayField(ArrayField(IntegerField())))
    return found.filter(Func(F("word_ids"), rows, function="search_side_by_side", output_field=BooleanField()))


# --- the ranking
RANKED = """
WITH wanted AS (
    SELECT * FROM unnest(%(parts)s::integer[], %(ids)s::integer[], %(scores)s::float8[]) AS each (part, id, score)
), found AS (
    SELECT posting.image_id, wanted.part, max(wanted.score) AS score
    FROM search_ocrposting posting CROSS JOIN LATERAL unnest(posting.word_ids) word (id) JOIN wanted USING (id)
    WHERE posting.shown AND posting.word_ids && %(ids)s::integer[]
        AND (%(among)s::bigint[] IS NULL OR posting.image_id = ANY (%(among)s::bigint[]))
    GROUP BY posting.image_id, wanted.part
), weights AS (
    SELECT part, ln(1 + (SELECT count(DISTINCT image_id) + 1 FROM found)::float8 / (1 + count(found.part))) AS weight
    FROM generate_series(0, %(count)s - 1) part LEFT JOIN found USING (part) GROUP BY part
)
SELECT found.image_id, sum(found.score * weights.weight) / (SELECT sum(weight) FROM weights) AS score
FROM found JOIN weights USING (part) JOIN gallery_image image ON image.id = found.image_id
WHERE image.state = 'ready' AND image.trashed_at IS NULL AND (NOT image.private OR image.id IN (
    SELECT image_id FROM gallery_image_owners WHERE user_id = %(user)s))
GROUP BY found.image_id ORDER BY score DESC, found.image_id DESC LIMIT %(limit)s
"""


def ocr_hits(
    text: str,
    limit: int,
    among: np.ndarray | None = None,
    user: AbstractBaseUser | AnonymousUser | None = None,
) -> list[OcrHit]:
    """Images that all see, or ``user`` alone, in which some of the words stand, or words like them; best first, then
    newest first.

    A word that few pictures hold counts more than one of many. ``among``: ids of the images that may be answered.
    """
    likeness = _wanted(text)
    if not any(likeness) or limit < 1 or (among is not None and not len(among)):
        return []
    each = [(part, pk, score) for part, words in enumerate(likeness) for pk, score in words.items()]
    parts, ids, scores = map(list, zip(*each, strict=True))
    asked: dict[str, Any] = {"parts": parts, "ids": ids, "scores": scores, "count": len(likeness), "limit": limit}
    asked["user"] = user.pk if user else None
    with connection.cursor() as cursor:
        cursor.execute(RANKED, asked | {"among": None if among is None else np.asarray(among, np.int64).tolist()})
        best = cursor.fetchall()
    standing = _standing([image_id for image_id, _ in best], set(ids))
    return [OcrHit(image_id, min(1.0, score), standing.get(image_id, [])) for image_id, score in best]


def _wanted(text: str) -> list[dict[int, float]]:
    """For each word that was asked for: {word of the vocabulary: how much it is like it}."""
    wanted, fuzzy = dict[str, dict[int, float]](), Fuzzy(ALIKE_AT_ALL)
    for part in _parts(text, phrase=False):
        if isinstance(part, str):
            endings = matching(part).order_by("word").values_list("pk", flat=True)[:MOST_ENDINGS]
            wanted[part] = dict.fromkeys(endings, 1.0)
        else:
            wanted |= {word: {each.id: each.score for each in fuzzy(word)} for word in part}
    return list(wanted.values())


def _standing(image_ids: list[int], word_ids: set[int]) -> dict[int, list[str]]:
    """{image: its words among these, as they stand in it, each once}"""
    words = set(OcrWord.objects.filter(pk__in=word_ids).values_list("word", flat=True))
    standing: dict[int, dict[str, None]] = {}
    texts = OcrText.objects.filter(image__in=image_ids, shown=True).order_by("pk")
    for image_id, text, boxes in texts.values_list("image_id", "text", "words"):
        here = standing.setdefault(image_id, {})
        here |= dict.fromkeys(written for written, word in words_kept(_whole(text, boxes)) if word in words)
    return {image_id: list(here) for image_id, here in standing.items()}


# --- reading texts
def index_images(image_ids: Iterable[int]) -> int:
    """Read what is new among the texts of these images; returns how many texts.

    Best called after the commit of who wrote them: it waits for others who add the same words. What another
    process is reading at the moment is left to it.
    """
    wanted, done = sorted(set(image_ids)), 0
    for start in range(0, len(wanted), BATCH):
        unread = OcrPosting.objects.filter(image__in=wanted[start : start + BATCH], word_ids__isnull=True)
        while read := _read(unread):
            done += read
    return done


def sweep(seconds: float = float("inf")) -> int:
    """Read texts that nobody has called index_images for; at least a batch. Returns how many."""
    ends, done = time.monotonic() + seconds, 0
    while read := _read(OcrPosting.objects.filter(word_ids__isnull=True)):
        done += read
        if time.monotonic() > ends:
            break
    return done


def forget_unused() -> int:
    """Remove words that stand in no text any more, unless texts are being read just now. Returns how many.

    It looks at every posting (seconds at a million): once a day is enough, an unused word only costs its room.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [WORDS_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            "DELETE FROM search_ocrword word WHERE NOT EXISTS ("
            "SELECT FROM (SELECT unnest(word_ids) AS id FROM search_ocrposting) used WHERE used.id = word.id)"
        )
        return cursor.rowcount


def _whole(text: str, boxes: Any) -> str:
    """Its text; of one that has only boxes, their words."""
    if text or not isinstance(boxes, list):
        return text
    return " ".join(str(box[0]) for box in boxes if isinstance(box, list) and box)


def _read(unread: QuerySet[OcrPosting]) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [WORDS_LOCK])
        # Locked before the texts are read: a change of one of them waits, and empties its posting after us.
        rows = unread.order_by("text").select_for_update(skip_locked=True, no_key=True)
        ids = list(rows.values_list("pk", flat=True)[:BATCH])
        texts = OcrText.objects.filter(pk__in=ids).values_list("pk", "text", "words")
        words = {pk: [word for _, word in words_kept(_whole(text, boxes))] for pk, text, boxes in texts}
        known = _known(set().union(*words.values()))
        lines = [_array(known[word] for word in line) for line in words.values()]
        cursor.execute(
            "UPDATE search_ocrposting posting SET word_ids = line::integer[]"
            " FROM unnest(%s::bigint[], %s::text[]) AS each (id, line) WHERE posting.text_id = each.id",
            [list(words), lines],
        )
    return len(ids)


def _known(words: set[str]) -> dict[str, int]:
    """{word: its id}; those that are not there yet are added, in order: two who add the same cannot lock each other."""
    known = _there(list(words))
    if missing := sorted(words - known.keys()):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO search_ocrword (word, latin, keys) SELECT word, latin, keys::integer[]"
                " FROM unnest(%s::text[], %s::text[], %s::text[]) AS each (word, latin, keys) ON CONFLICT DO NOTHING",
                [missing, list(map(_other_latin, missing)), [_array(keys(word)) for word in missing]],
            )
        known |= _there(missing)
    return known


def _there(words: list[str]) -> dict[str, int]:
    with connection.cursor() as cursor:
        # As one array, which PostgreSQL hashes; a list of thousands of parameters takes Django longer to write.
        cursor.execute("SELECT word, id FROM search_ocrword WHERE word = ANY (%s::text[])", [words])
        return dict(cursor.fetchall())


def _array(numbers: Iterable[int]) -> str:
    return f"{{{','.join(map(str, numbers))}}}"


def _other_latin(word: str) -> str:
    letters = latin(word)
    return "" if letters == word else letters
