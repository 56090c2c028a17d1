"""Words of pictures that come back beside those that are here; see ingestion/metadata.py."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import chain
from pathlib import PurePath
from typing import Any

from django.db import connection, transaction

from gallery.metadata import SaidImage, SaidSource, SaidWord
from gallery.models import PERSON, Caption, Image, ImageSource, ImageTag, OcrText, Opinion, User, Word
from gallery.names import safe_name
from gallery.tags import tags_called
from gallery.word_states import new_decision, opinion_of
from ingestion.annotators import all_network_annotators
from ingestion.pipeline import storable_address
from search.models import Generation

Slot = tuple[Any, ...]
"""Where there is room for one word of a picture: (tag, origin, generation), or (origin, generation) of a sentence."""


WRITTEN: tuple[Any, ...] = ImageTag, Caption, OcrText, ImageSource


def is_decided(word: Word | SaidWord) -> bool:
    """A person has said so. Networks only suggest."""
    decided = word.decided if isinstance(word, SaidWord) else bool(word.decision)
    agreed = bool(word.generation) and word.state == Opinion.ACCEPTED
    return decided or agreed or word.origin == PERSON or word.state == Opinion.REJECTED


def opinion(words: Iterable[Any]) -> str:
    """What people have decided about those that say the same; "" if nobody has."""
    return opinion_of([word for word in words if is_decided(word)])


class Again:
    """Knows, for the time of one file, who is who here."""

    def __init__(self) -> None:
        self.generations: dict[Any, Callable[[SaidWord], int]] = {
            model: _generations(model) for model in (ImageTag, Caption, OcrText)
        }
        self.users: dict[str, User | None] = {}

    def bring(self, batch: list[SaidImage]) -> Counter[str]:
        """The counts of Tally."""
        said = {each.sha256: each for each in batch}
        here = Image.objects.filter(sha256__in=said).values_list("sha256", flat=True)
        names = {word.text for sha256 in here for word in said[sha256].tags}
        tags_called(names)  # what is new is there for all before a picture is locked: others do it in that order
        with transaction.atomic():
            images = _locked(said)
            tags = tags_called(names | {word.text for image in images for word in said[image.sha256].tags})
            brought = [Brought(self, image, said[image.sha256], tags) for image in images]
            _write_facts([each.image for each in brought if each.has_new_facts])
            for model in WRITTEN:
                rows = chain.from_iterable(each.new[model] for each in brought)
                model.objects.bulk_create(rows, ignore_conflicts=True)  # a network may write just now, too
        counts = Counter(images=len(images), unknown=len(batch) - len(images))
        for each in brought:
            counts.update(each.counts)
        return counts

    def generation(self, model: type[Word], word: SaidWord) -> int:
        return self.generations[model](word) if word.generation else 0

    def user(self, name: str) -> User | None:
        if name not in self.users:
            self.users[name] = User.objects.filter(username=name).first() if name else None
        return self.users[name]


def _generations(model: type[Word]) -> Callable[[SaidWord], int]:
    """Which generation here a word of a network belongs to: its own, else the one by the same network that answers."""
    roles = [role.name for role in all_network_annotators().values() if role.words is model]
    rows = list(Generation.objects.filter(role__in=roles).values_list("pk", "network", "state"))
    same = {(pk, network) for pk, network, _ in rows}
    current = {network: pk for pk, network, state in rows if state == Generation.State.CURRENT}
    return lambda word: word.generation if (word.generation, word.origin) in same else current.get(word.origin, 0)


def _locked(said: dict[str, SaidImage]) -> list[Image]:
    """Those that are here, with their words; locked in the order of their ids, as all do."""
    here = (
        Image.objects.filter(sha256__in=said)
        .defer(None)
        .only("sha256", "name", "added_at", "taken_at", "scores")
        .order_by("pk")
    )
    words = here.prefetch_related("image_tags", "captions", "ocr_texts", "sources")
    return list(words.select_for_update(no_key=True))


def _write_facts(images: list[Image]) -> None:
    """Name, dates and scores, in one statement: one for each picture takes half the time of an import."""
    if not images:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE gallery_image image SET name = now.name, added_at = now.added_at, taken_at = now.taken_at,
                scores = now.scores::jsonb
            FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[])
                AS now (id, name, added_at, taken_at, scores)
            WHERE image.id = now.id
            """,
            [
                [image.pk for image in images],
                [image.name for image in images],
                [image.added_at for image in images],
                [image.taken_at for image in images],
                [json.dumps(image.scores) for image in images],
            ],
        )


class Brought:
    """What comes to one picture: ``new`` rows and its facts, to be written with those of others, and ``counts``."""

    def __init__(self, again: Again, image: Image, said: SaidImage, tags: dict[str, int]) -> None:
        self.again, self.image = again, image
        self.new: dict[Any, list[Any]] = {model: [] for model in WRITTEN}
        self.counts: Counter[str] = Counter()
        self.changed = 0
        self.has_new_facts = self._facts(said)
        self._sources(said.sources)
        self._tags(said.tags, tags)
        self._sentences(Caption, said.captions, list(image.captions.all()))
        self._sentences(OcrText, said.ocr, list(image.ocr_texts.all()))
        self.counts["words"] = sum(len(self.new[model]) for model in (ImageTag, Caption, OcrText))
        self.counts["changed"] = bool(self.changed or self.has_new_facts or any(self.new.values()))

    # --- facts
    def _facts(self, said: SaidImage) -> bool:
        """Only what is not known here: a picture that came back from its original is called by its checksum."""
        image = self.image
        better: dict[str, Any] = {}
        if said.name and PurePath(image.name).stem == image.sha256 != PurePath(said.name).stem:
            better["name"] = safe_name(said.name)
        if said.added and said.added < image.added_at:
            better["added_at"] = said.added
        if said.taken and image.taken_at is None:
            better["taken_at"] = said.taken
        if not said.scores.keys() <= image.scores.keys():
            better["scores"] = said.scores | image.scores
        for fact, value in better.items():
            setattr(image, fact, value)
        return bool(better)

    def _sources(self, said: list[SaidSource]) -> None:
        here = {(source.kind, source.address): source for source in self.image.sources.all()}
        for each in said:
            address = storable_address(each.address)
            source = here.get((each.kind, address))
            if source is None and each.kind:
                here[each.kind, address] = self._new_source(each, address)
            elif source and source.pk:
                facts = {"title": each.title, "author": each.author, "licence": each.licence}
                missing = {name: text for name, text in facts.items() if text and not getattr(source, name)}
                if missing:
                    self._change(ImageSource.objects.filter(pk=source.pk), **missing)

    def _new_source(self, said: SaidSource, address: str) -> ImageSource:
        facts = {"title": said.title, "author": said.author, "licence": said.licence, "by": self.again.user(said.by)}
        seen: dict[str, datetime] = {"first_seen": said.seen} if said.seen else {}
        source = ImageSource(image=self.image, kind=said.kind, address=address, **facts, **seen)
        self.new[ImageSource].append(source)
        return source

    # --- words
    def _tags(self, said: list[SaidWord], tags: dict[str, int]) -> None:
        rows = list(self.image.image_tags.all())
        slots: dict[Slot, Any] = {(row.tag_id, row.origin, row.generation): row for row in rows}
        for tag in dict.fromkeys(tags[word.text] for word in said):
            about = [word for word in said if tags[word.text] == tag]
            decided = self._decide(about, [row for row in rows if row.tag_id == tag])
            for word in about:
                slot = tag, word.origin, self.again.generation(ImageTag, word)
                if slot not in slots:
                    slots[slot] = self._add(ImageTag, word, decided, tag_id=tag)

    def _sentences(self, model: Any, said: list[SaidWord], rows: list[Any]) -> None:
        """Captions, or texts in the picture: there is room for one of each origin."""
        slots: dict[Slot, Any] = {(row.origin, row.generation): row for row in rows}
        for text in dict.fromkeys(word.text for word in said):
            about = [word for word in said if word.text == text]
            decided = self._decide(about, [row for row in rows if row.text == text])
            for word in about:
                slot = word.origin, self.again.generation(model, word)
                boxes = {"words": word.words} if model is OcrText else {}
                if slot not in slots:
                    slots[slot] = self._add(model, word, decided, text=text, **boxes)
                elif slots[slot].text != text:
                    self._instead(model, slots[slot], word, **boxes)

    def _decide(self, said: list[SaidWord], rows: list[Any]) -> str:
        """What people have decided about this word: here, else there. Rows of machines get it. "" if nobody has."""
        here, there = opinion(rows), opinion(said)
        if here:
            self.counts["kept"] += bool(there) and there != here
        elif there and rows:
            values = {"state": there, "decision": new_decision()}
            undecided = [row.pk for row in rows if row.state != there]
            if undecided:
                self._change(type(rows[0]).objects.filter(pk__in=undecided), **values)
        return here

    def _add(self, model: Any, word: SaidWord, decided: str, **values: Any) -> Any:
        """As it was, or as people have decided here."""
        row = model(
            image=self.image,
            origin=word.origin,
            generation=self.again.generation(model, word),
            confidence=word.confidence,
            state=decided or word.state,
            decision=new_decision() if decided or word.decided else 0,
            offered=word.offered,
            **values,
        )
        self.new[model].append(row)
        return row

    def _instead(self, model: Any, row: Any, word: SaidWord, **values: Any) -> None:
        """Another text in the same place: a person's before a machine's, then that of here before that of there."""
        if is_decided(row):
            self.counts["kept"] += is_decided(word)
        elif is_decided(word) and row.pk:
            values |= {"text": word.text, "state": word.state, "decision": new_decision()}
            self._change(model.objects.filter(pk=row.pk), **values)

    def _change(self, rows: Any, **values: Any) -> None:
        self.changed += rows.update(**values)
