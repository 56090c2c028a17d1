"""Every query finds what a plain evaluation of it over plain objects finds, whatever the collection."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.contrib.auth.models import AnonymousUser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gallery.models import (
    Caption,
    Image,
    ImageSource,
    ImageTag,
    OcrText,
    Tag,
    TagAlias,
    TagImplication,
    User,
)
from search.compiler import compiled
from search.language.tree import And, Between, Compare, Fact, Node, Not, Or, Tagged, Word
from search.models import Group, GroupMember
from tests.search.plain_meaning import PlainImage, PlainSource, PlainTag, World

pytestmark = pytest.mark.django_db

WORDS = ["cat", "dog", "fog", "sun", "oak", "fox", "catfog"]  # English keeps them as they are
STOPS = ["the", "and"]
TAGS = ["cat", "dog", "fog", "oak", "snow field", "ca_t", "artist:fox", "100%", "catfog"]
UNKNOWN = "unicorn"
ALIASES = {"feline": "cat", "hound": "dog", "sun": "oak", "snow": "snow field"}
NOW = datetime(2024, 5, 17, 12, tzinfo=UTC)
LAST_MINUTE = datetime(2023, 12, 31, 23, 59, tzinfo=UTC)
DAYS = ["2024", "2023", "2024-05", "2024-05-17", "2024-05-18", "2024-04-30"]
NUMBERS = {
    "width": ["100", "150", "160", "1k", "90"],
    "height": ["100", "90", "160px"],
    "pixels": ["10000", "16k", "100x160", "0.02mp"],
    "ratio": ["1", "16:9", "0.62", "1.5"],
    "bytes": ["1000", "1kb", "2k", "999999999999999"],
    "confidence": ["0.5", "80%", "1", "0", "0.25"],
    "score.novelty": ["0.5", "-1", "0", "50%"],
    "score.it's": ["1"],
}
FACTS = {
    "format": ["jpg", "JPEG", "png"],
    "colour": ["red", "blue", "#3366cc", "teal"],
    "orientation": ["wide", "tall", "square"],
    "is": ["wide", "square", "tagged", "untagged", "captioned", "duplicate", "suggested"],
    "has": ["tags", "caption", "text", "author", "license", "date", "exif", "palette"],
}


# --- a random collection
def text(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS + STOPS, k=rng.randint(1, 4)))


def tags(rng: random.Random) -> list[PlainTag]:
    found = []
    for name in rng.sample(TAGS, rng.randrange(4)):
        of_person = rng.random() < 0.4
        found.append(
            PlainTag(
                name,
                of_person,
                None if of_person or rng.random() < 0.1 else rng.choice([0.1, 0.25, 0.5, 0.8, 0.95]),
                rng.choice(["accepted", "accepted", "suggested", "rejected"]),
                rng.random() < 0.8,
            )
        )
    return found


def source(rng: random.Random, number: int) -> PlainSource:
    kind = rng.choice(["upload", "folder", "reddit"])
    address = f"/{rng.choice(WORDS)}/{number}" if kind == "folder" else f"{rng.choice(WORDS)} {number}"
    some = partial(rng.choice, ["", "", "cat", "Oak fog", "the sun"])
    return PlainSource(kind, address, some(), some(), some())


def image(rng: random.Random) -> PlainImage:
    return PlainImage(
        name=rng.choice("-_ ").join(rng.choices(WORDS, k=rng.randint(1, 3))) + ".jpg",
        width=rng.choice([90, 100, 150, 160, 1000]),
        height=rng.choice([90, 100, 160]),
        bytes=rng.choice([999, 1000, 1024, 2048, 2**40]),
        format=rng.choice(["JPEG", "PNG"]),
        added=NOW - timedelta(days=rng.choice([-1, 0, 17, 200])),
        taken=rng.choice([None, NOW, NOW - timedelta(days=30), NOW.replace(hour=0), LAST_MINUTE]),
        tags=tags(rng),
        captions=[text(rng) for _ in range(rng.choice([0, 0, 1, 2]))],
        sources=[source(rng, number) for number in range(rng.randrange(3))],
        ocr=[text(rng)] if rng.random() < 0.3 else [],
        scores={"novelty": rng.choice([-1, 0, 0.5, 1]), "it's": 1} if rng.random() < 0.6 else {},
        palette=[(rng.choice(["ff0000", "3366cc", "008080", "00ff00"]), rng.choice([0.5, 0.02]))] * rng.randrange(2),
        exif=rng.choice([{}, {"Camera": "X"}, {"GPS": {"latitude": 1.0, "longitude": 2.0}}]),
        in_group=rng.random() < 0.2,
    )


def store(images: list[PlainImage], world: World) -> list[Image]:
    found = {name: Tag.objects.create(name=name) for name in sorted(world.tags)}
    TagAlias.objects.bulk_create(TagAlias(name=name, tag=found[tag]) for name, tag in world.aliases.items())
    for tag, implied in sorted(world.implications):
        TagImplication.objects.create(tag=found[tag], implied=found[implied])
    group = Group.objects.create(grade=1)
    rows = [_row(plain, number) for number, plain in enumerate(images)]
    Image.objects.bulk_create(rows)
    both = list(zip(rows, images, strict=True))
    ImageSource.objects.bulk_create(
        ImageSource(image=row, **vars(each)) for row, plain in both for each in plain.sources
    )
    ImageTag.objects.bulk_create(
        ImageTag(
            image=row,
            tag=found[each.name],
            origin="person" if each.of_person else "labels",
            confidence=each.confidence,
            state=each.state,
            offered=each.offered,
        )
        for row, plain in both
        for each in plain.tags
    )
    for model, texts in ((Caption, "captions"), (OcrText, "ocr")):
        model.objects.bulk_create(
            model(image=row, text=said, origin=f"machine {number}")
            for row, plain in both
            for number, said in enumerate(getattr(plain, texts))
        )
    GroupMember.objects.bulk_create(GroupMember(group=group, image=row) for row, plain in both if plain.in_group)
    Image.objects.filter(caption="", pk__in=[row.pk for row, plain in both if plain.captions]).update(caption="x")
    return rows


def _row(plain: PlainImage, number: int) -> Image:
    return Image(
        sha256=f"{number:064x}",
        name=plain.name,
        width=plain.width,
        height=plain.height,
        bytes=plain.bytes,
        format=plain.format,
        added_at=plain.added,
        taken_at=plain.taken,
        scores=plain.scores,
        palette=[list(entry) for entry in plain.palette],
        exif=plain.exif,
        state="ready",
    )


def world_of(rng: random.Random, staff: bool) -> World:
    pairs = [("catfog", "cat"), ("cat", "artist:fox"), ("dog", "artist:fox"), ("fog", "oak"), ("oak", "fog")]
    return World(set(TAGS), ALIASES, set(rng.sample(pairs, 3)), staff)


# --- random queries
NAMES = [*TAGS, *ALIASES, UNKNOWN, "snow_field", "Cat", "c*", "*o*", "?at", "ca_*", "100%*", "*", "\\", "%"]
ASKED = [*WORDS, *STOPS, *TAGS, *ALIASES, UNKNOWN, "ca*", "fo*", "the*", "cat-dog", "🙂", "'", "a" * 900]
PHRASES = ["cat dog", "the cat", "cat the dog", "fog the", "oak", "the and", "snow field", "sun", "sun oak fog"]
FIELDS = ["", "", "", "title", "caption", "source", "author", "license"]

ops = st.sampled_from(["==", "!=", ">=", "<=", ">", "<"])
compares = st.sampled_from(sorted(NUMBERS)).flatmap(
    lambda field: st.one_of(
        st.builds(partial(Compare, field), ops, st.sampled_from(NUMBERS[field])),
        st.builds(partial(Between, field), st.sampled_from(NUMBERS[field]), st.sampled_from(NUMBERS[field])),
    )
)
spans = st.sampled_from(["date", "added"]).flatmap(
    lambda field: st.one_of(
        st.builds(partial(Compare, field), ops, st.sampled_from(DAYS)),
        st.builds(partial(Between, field), st.sampled_from(DAYS), st.sampled_from(DAYS)),
    )
)
facts = st.sampled_from([Fact(field, value) for field, values in FACTS.items() for value in values])
words = st.one_of(
    st.builds(Word, st.sampled_from(ASKED), st.sampled_from(FIELDS)),
    st.builds(Word, st.sampled_from(PHRASES), st.sampled_from(FIELDS), st.just(True)),
    st.builds(Word, st.sampled_from(["upload", "folder", "reddit", "/cat", "FOX"]), st.just("source")),
)
tagged = st.builds(Tagged, st.sampled_from(NAMES))
sure = st.builds(partial(Compare, "confidence"), st.sampled_from([">=", "<", "!="]), st.sampled_from(["0.5", "80%"]))
trees: st.SearchStrategy[Node] = st.recursive(
    st.one_of(tagged, tagged, words, compares, spans, facts),
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=4).map(tuple).map(And),
        st.lists(parts, min_size=1, max_size=4).map(tuple).map(Or),
        st.tuples(sure, parts).map(And),
        parts.map(Not),
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(("seed", "staff"), [(1, False), (2, True), (3, False), (4, False)])
def test_means_the_same_as_a_plain_evaluation(seed, staff):
    rng = random.Random(seed)
    user = User(is_staff=True) if staff else AnonymousUser()
    world, images = world_of(rng, staff), [image(rng) for _ in range(30)]
    rows = dict(zip((row.pk for row in store(images, world)), images, strict=True))
    met = set()

    @settings(
        max_examples=120,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(tree=trees)
    def check(tree):
        found = set(Image.objects.visible_to(user).filter(compiled(tree, user)).values_list("pk", flat=True))
        assert found == {pk for pk, plain in rows.items() if world.holds(tree, plain)}
        met.add(len(found))

    check()
    assert len(met) > 10  # neither all nor nothing, most of the time
