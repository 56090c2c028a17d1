"""From a query to an answer: every engine that can answer is asked, each within its own time budget."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import Error as DatabaseFailure
from django.db import connection
from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL
from django.utils import timezone

from gallery.models import Image
from gallery.pictures import DecoderBusy, Picture, PictureError, decode
from search import lexical, misspelt
from search.asking import Answered, Asking
from search.compiling.budget import PAGE_MILLISECONDS, TOO_LONG, TooSlow, within
from search.current import current_engines
from search.encoders import get_network
from search.engines import all_engines, own_engines
from search.engines._base import Engine, Grade, Hit
from search.engines._embedding import EmbeddingEngine, Loading
from search.errors import EngineError, QueryError, WeightsMissing
from search.filters import ids_of
from search.fusion import Match, Voice, fuse
from search.hidden import Hidden
from search.language.terms import quoted
from search.language.tree import Node
from search.live_index import live_index
from search.proven import is_examined, proofs_of, with_proofs
from search.query import Query

logger = logging.getLogger(__name__)

LIMIT, TEXT_LIMIT = 200, 1000
"""Of words more is asked for: what fits them well is often half a gallery, and is put in the order of its days."""
PATIENCE = 60.0
"""Seconds for each engine where no page waits: to leave out what a busy or cold one would have found is worse."""
AT_ONCE = 64
"""Rows of images."""
WORDS, MISSPELT = "words", "misspelt"
"""What speaks beside the engines when words are asked for."""
_VOICES = {WORDS: Voice(1.0, lexical.CUTOFF), MISSPELT: Voice(0.5, lexical.CUTOFF)}
_NOTHING = 0.005
"""Scores that would be shown as 0 %."""


_NOBODY = "No engine of this gallery answers such a question."


class WordsUnknown(QueryError):
    """No network is there to understand words, and they are asked for beside a picture, or to say what is not seen."""


class Images:
    """Rows of the images of an answer, read as they are asked for, some at once: a page shows a tenth of them."""

    def __init__(self, ids: list[int]) -> None:
        """In the order of the answer."""
        self._ids, self._places = ids, {pk: place for place, pk in enumerate(ids)}
        self._read: dict[int, Image] = {}

    def __getitem__(self, pk: int) -> Image:
        if pk not in self._read:
            some = self._ids[self._places[pk] :][:AT_ONCE]
            there = Image.objects.defer("exif").in_bulk(some)
            self._read |= {pk: there.get(pk) or _gone(pk) for pk in some}
        return self._read[pk]


def _gone(pk: int) -> Image:
    """Stands for one that was destroyed while its page was made."""
    return Image(pk=pk, width=1, height=1, caption="", private=False, added_at=timezone.now())


@dataclass
class Found:
    """A match with its image, ready to be shown."""

    images: Images = field(repr=False)
    match: Match

    @property
    def image(self) -> Image:
        return self.images[self.match.image_id]

    @property
    def evidence(self) -> str:
        """ "34 of 576 bits differ, mirrored; 83 % of the palette shared": the engines of the grade first."""
        return self.evidence_but(set())

    def evidence_but(self, names: set[str]) -> str:
        """Without what these say."""
        hits = sorted((self.match.strong or self.match.hits).items(), key=lambda item: item[1].grade)
        return "; ".join(explained(name, hit) for name, hit in hits if name not in names)

    @property
    def alignment(self) -> dict[str, Any] | None:
        """How the query lies on the image (search.engines.local_features.evidence_of), if that was proven."""
        hit = self.match.hits.get("local_features")
        return hit.evidence if hit and hit.certain else None

    @property
    def percent(self) -> int:
        return round(100 * self.match.score)


def explained(name: str, hit: Hit) -> str:
    """What a voice says of its hit, in words."""
    told = {WORDS: lexical.explain, MISSPELT: misspelt.explain}.get(name)
    return told(hit.evidence) if told else all_engines()[name].explain(hit.evidence)


@dataclass
class Answer:
    found: list[Found] = field(default_factory=list)
    weak: list[Found] = field(default_factory=list)
    """Below every engine's cut-off: counted, and shown on demand."""
    notices: list[str] = field(default_factory=list)
    """What could not be asked, and why."""
    seconds: dict[str, float] = field(default_factory=dict)
    """{engine: time of its search}"""
    networks: dict[str, str] = field(default_factory=dict)
    """{engine: the network that has answered for it, in words}"""
    letter: Node | None = None
    """What all pictures with the words fulfil, as a query of operators."""
    with_words: int = 0
    """How many pictures that are."""
    is_cut: bool = False
    """There are more of them: only so many, the newest, were compared."""
    is_without_meaning: bool = False
    """No network understands words here: they were only looked up."""
    passing: int | None = None
    """How many pictures may be answered, where that was counted."""
    is_late: bool = False
    """An engine had too little time: with more patience the same question is answered better."""
    is_loading: bool = False
    """A network comes into memory just now: the same question will be answered better in some seconds."""

    def by_grade(self, weak: bool = False) -> Iterator[tuple[Grade, list[Found]]]:
        """The grades that have matches, best first."""
        for grade in Grade:
            group = [found for found in (self.weak if weak else self.found) if found.match.grade == grade]
            if group:
                yield grade, group


def retrieve(
    query: Query,
    user: AbstractBaseUser | AnonymousUser,
    limit: int | None = None,
    engines: list[str] | None = None,
    among: Q | None = None,
    patience: float | None = None,
) -> Answer:
    """Ask the engines (all, or those named) and fuse what they say into at most ``limit`` matches, and as many weak
    (see limit_of). ``among``: what an image must fulfil to be answered, chosen before the best are taken; it says the
    same as ``query.among``, to a database. ``patience``: seconds for each engine, where no page waits.

    Words are looked up too, unless engines are named. An engine that fails or is late becomes a notice. QueryError if
    no engine can answer such a query at all; django.db.Error if the database does not answer.
    """
    limit = limit_of(query) if limit is None else limit
    able = _able(query, engines)
    looked_up = bool(query.words) and engines is None
    if not able and not looked_up:
        raise _unanswerable(query)
    answer = Answer(is_without_meaning=bool(query.meaning) and not able)
    if among is not None and query.among is None:
        try:
            with within(PAGE_MILLISECONDS):
                query = replace(query, among=ids_of(Image.objects.visible_to(user).filter(among)))
        except TooSlow as error:
            raise QueryError(TOO_LONG) from error
    answer.passing = None if query.among is None else len(query.among)
    hidden = Hidden.of(user)
    if query.among is None and hidden.are_many:
        query = replace(query, among=hidden.visible())
    started = time.monotonic()
    asking = Asking.of(query, limit, hidden, able, patience)
    asked = asking.all(able)
    hits: dict[str, list[Hit]] = {}
    if looked_up:
        hits = _look_up(answer, query, user, limit, among)
    proofs = {}
    if query.image_id is not None and query.picture is None and not query.meaning:
        proofs = proofs_of(query.image_id, query.among)
    for engine in able:
        _hear(answer, hits, engine, asked[engine.name], started, asking.seconds_for(engine))
        if engine.name in proofs:
            hits[engine.name] = with_proofs(hits.get(engine.name, []), proofs[engine.name])
    answer.notices += [notice for engine in able if (notice := live_index(engine).notice)]
    voices = {engine.name: Voice(engine.weight, engine.cutoff) for engine in able} | _VOICES
    _fill(answer, fuse(hidden.without(hits), voices), user, limit)
    return answer


def _unanswerable(query: Query) -> QueryError:
    if not query.meaning:
        return QueryError(_NOBODY)
    if query.meaning.text or query.picture is not None or query.image_id is not None:
        return WordsUnknown("This gallery does not understand words yet.")
    return WordsUnknown(only_meaning(query.meaning.without[0]))


def only_meaning(without: str) -> str:
    """Of words after a ~ that stand alone, where nobody knows what they mean."""
    remedy = f"Write -{quoted(without)} to leave out all pictures with the word."
    return f"Only meaning can take “{without}” away, and here only words are looked up. {remedy}"


def _look_up(
    answer: Answer, query: Query, user: AbstractBaseUser | AnonymousUser, limit: int, among: Q | None
) -> dict[str, list[Hit]]:
    """The words, in this thread, while engines work in theirs."""
    if among is None and query.among is not None:
        among = Q(pk__in=[int(pk) for pk in query.among])
    ask: dict[str, Callable[[], lexical.Lexical]] = {
        WORDS: lambda: lexical.find_words(query.words, user, limit, among),
        MISSPELT: lambda: misspelt.find_misspelt(query.words, limit, query.among, user),
    }
    hits: dict[str, list[Hit]] = {}
    for name, find in ask.items():
        started = time.perf_counter()
        try:
            found = find()
        except EngineError as error:
            answer.notices.append(str(error))
            continue
        hits[name], answer.seconds[name] = found.hits, time.perf_counter() - started
        answer.notices += found.notices
        if found.letter is not None:
            answer.letter, answer.with_words, answer.is_cut = found.letter, found.count, found.is_cut
    return hits


def _hear(
    answer: Answer, hits: dict[str, list[Hit]], engine: Engine, future: Future[Answered], started: float, seconds: float
) -> None:
    left = max(0.0, seconds - (time.monotonic() - started))
    try:
        hits[engine.name], answer.seconds[engine.name] = future.result(timeout=left)
        answer.networks |= {engine.name: engine.network.label} if isinstance(engine, EmbeddingEngine) else {}
    except FutureTimeout:
        future.cancel()
        answer.is_late = True
        answer.notices.append(f"{engine.label}: no answer within {seconds:g} seconds.")
    except EngineError as error:
        answer.notices.append(str(error))
        answer.is_loading |= isinstance(error, Loading)
    except DatabaseFailure:
        raise
    except Exception:
        # A leaf may fail in any way; the search still answers, and the log has the reason.
        logger.exception("The engine %s failed", engine.name)
        answer.notices.append(f"{engine.label}: this engine failed; the reason is in the log.")


def limit_of(query: Query) -> int:
    return TEXT_LIMIT if query.meaning or query.words else LIMIT


def query_of(image: Image, closely: bool = False) -> Query:
    """With the picture of an image, not only with its features: a collage is then read finely, borders are cut away.

    That takes ten times as long. The features alone where it was done in the background already, so that its proofs are
    known, unless ``closely`` wants the picture; and where its rendition is not there, or cannot be read just now.
    """
    if not closely and is_examined(image):
        return Query(image_id=image.pk)
    try:
        return Query(picture=decode(image.screen.path), image_id=image.pk)
    except (PictureError, DecoderBusy, OSError):
        return Query(image_id=image.pk)


def _fill(answer: Answer, matches: list[Match], user: AbstractBaseUser | AnonymousUser, limit: int) -> None:
    """Matches whose image this user may not see, or that has left meanwhile, are dropped."""
    ids = [match.image_id for match in matches]
    # One parameter: hundreds of them take milliseconds.
    given = RawSQL("gallery_image.id = ANY(%s)", [ids], output_field=BooleanField())
    visible = set(Image.objects.visible_to(user).filter(given).order_by().values_list("pk", flat=True))
    chosen = [match for match in matches if match.image_id in visible and match.score >= _NOTHING]
    images = Images([match.image_id for match in chosen])
    for match in chosen:
        target = answer.weak if match.weak else answer.found
        if len(target) < limit:
            target.append(Found(images, match))


def _able(query: Query, names: list[str] | None) -> list[Engine]:
    engines = [engine for name, engine in current_engines().items() if names is None or name in names]
    return [engine for engine in engines if _understands(engine, query)]


def _understands(engine: Engine, query: Query) -> bool:
    if query.meaning or query.words:
        return engine.answers_text and bool(query.meaning)
    if query.picture is not None or query.image_id is not None:
        return True
    return engine.probe_colours(query.colours) is not None


def why_no_words() -> str:
    """What is missing, in the words of the network that would understand them: for who runs the gallery, since it
    names folders of the machine."""
    reasons = []
    for name in settings.NETWORKS["clip"]:
        try:
            get_network(name, settings.WEIGHTS).look()
        except WeightsMissing as error:
            reasons.append(str(error))
    return " ".join(reasons) or "Its network is getting ready: try again in a minute."


def warm_up() -> None:
    """Search once for noise: libraries, kernels and indexes are loaded before the first visitor waits for them."""
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    with suppress(DatabaseFailure):  # not there yet: the first search will find out by itself
        # Networks are not woken: they take seconds and much memory, and many visitors never ask one.
        retrieve(Query(picture=Picture(noise, 320, 240, "PNG")), AnonymousUser(), limit=1, engines=list(own_engines()))
        for engine in (each for each in current_engines().values() if each.of_network):
            with suppress(EngineError):
                live_index(engine).fresh(engine.seconds)
    connection.close()
