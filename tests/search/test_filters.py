"""Which pictures may be answered at all: chosen by what is known of them, before the best are taken."""

from datetime import UTC, datetime

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import QueryDict

from gallery.models import Image, ImageTag, Tag, TagAlias, TagImplication
from search.filters import Filters, ids_of, read_filters

ANYBODY = AnonymousUser()
DAY = datetime(2024, 2, 29, 23, 59, tzinfo=UTC)


def make(n: int, width: int = 800, height: int = 600, **fields: object) -> Image:
    """Rows only: no filter looks at files."""
    return Image.objects.create(
        sha256=f"{n:064x}",
        name=f"{n}.jpg",
        width=width,
        height=height,
        bytes=1000,
        **({"state": "ready", "format": "JPEG"} | fields),
    )


def passing(query: str) -> set[str]:
    filters, sentences = read_filters(QueryDict(query))
    assert sentences == []
    among = filters.among(ANYBODY)
    assert among is not None
    assert among.dtype == np.int64
    assert (np.diff(among) > 0).all()
    return set(Image.objects.filter(pk__in=among.tolist()).values_list("name", flat=True))


def tag(image: Image, name: str, **fields: object) -> None:
    ImageTag.objects.create(image=image, tag=Tag.objects.get_or_create(name=name)[0], **fields)


@pytest.fixture
def pictures(db):
    make(1, 800, 600)
    make(2, 600, 800, format="PNG")
    make(3, 3000, 3000, taken_at=DAY)
    make(4, 4000, 100, added_at=DAY)
    make(5, state="new")
    make(6, trashed_at=DAY)


def test_it_works(pictures):
    assert passing("orientation=wide") == {"1.jpg", "4.jpg"}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("orientation=TALL", {"2.jpg"}),
        ("orientation=square", {"3.jpg"}),
        ("side=600", {"1.jpg", "2.jpg", "3.jpg"}),
        ("side=601", {"3.jpg"}),
        ("mp=0.48", {"1.jpg", "2.jpg", "3.jpg"}),
        ("mp=9", {"3.jpg"}),
        ("format=png", {"2.jpg"}),
        ("taken_from=2024-02-29&taken_to=2024-02-29", {"3.jpg"}),
        ("taken_to=2024-02-28", set()),
        ("added_to=2024-02-29", {"4.jpg"}),
        ("added_from=2024-03-01", {"1.jpg", "2.jpg", "3.jpg"}),
        ("orientation=wide&side=101", {"1.jpg"}),
    ],
)
def test_it_chooses(pictures, query, names):
    assert passing(query) == names


def test_it_chooses_by_all_tags_that_are_shown(pictures):
    first, second, third, _ = Image.objects.filter(state="ready", trashed_at=None).order_by("pk")
    for image in (first, second, third):
        tag(image, "a, b", state="accepted")
    tag(first, "dog", state="suggested", origin="net")
    tag(second, "dog", state="rejected", origin="net")
    tag(third, "dog", state="suggested", origin="net", offered=False)
    assert passing("tag=dog") == {"1.jpg"}
    assert passing("tag=a%2C+b") == {"1.jpg", "2.jpg", "3.jpg"}
    assert passing("tag=dog&tag=a%2C+b&tag=") == {"1.jpg"}
    assert passing("tag=Dog") == passing("tag=dog")


def test_a_tag_is_read_as_in_a_query(pictures):
    dog, animal = Tag.objects.create(name="dog"), Tag.objects.create(name="animal")
    TagAlias.objects.create(name="hound", tag=dog)
    TagImplication.objects.create(tag=dog, implied=animal)
    tag(Image.objects.get(name="1.jpg"), "dog")
    assert passing("tag=hound") == passing("tag=animal") == passing("tag=dog") == {"1.jpg"}


def test_nothing_asked_means_all(db):
    filters, sentences = read_filters(QueryDict("orientation=&side=&tag=+&added_from=&mp=0"))
    assert sentences == []
    assert not filters
    assert filters.among(ANYBODY) is None


def test_ids_are_those_of_the_database(pictures):
    assert ids_of(Image.objects.all()).tolist() == sorted(Image.objects.values_list("pk", flat=True))
    assert ids_of(Image.objects.none().filter(pk=0)).tolist() == []


@pytest.mark.parametrize(
    "query",
    [
        "orientation=round",
        "side=-1",
        "side=1e3",
        "side=٣",
        "side=9999999999999999",
        "mp=nan",
        "mp=inf",
        "format=exe",
        "added_from=yesterday",
        "added_from=2024-02-30",
        "added_to=9999-12-31",
        "taken_from=2024-W01-1",
        "taken_from=2024-02-02&taken_to=2024-02-01",
        "tag=" + "x" * 101,
        "&".join(f"tag={n}" for n in range(21)),
        "tag=%00",
        "tag=a%00b",
    ],
)
def test_nonsense_is_a_sentence_and_is_left_out(query):
    filters, sentences = read_filters(QueryDict(f"{query}&orientation=wide" if "orientation" not in query else query))
    assert len(sentences) == 1
    assert filters.orientation in ("wide", "")
    assert len(filters.tag) <= 20
    assert (filters.side, filters.mp, filters.format, filters.added_from, filters.taken_from) == (
        None,
        None,
        "",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/search/?tag=%00", 400),
        ("/search/?q=dog&tag=%00", 400),
        ("/search/colours/?c=ff0000&tag=a%00b", 400),
    ],
)
def test_a_tag_that_no_database_can_hold_is_refused(db, client, address, status):
    response = client.get(address)
    assert response.status_code == status
    assert "No tag has such a name." in response.content.decode()


def test_filters_in_words_can_be_removed_one_by_one():
    asked = "orientation=wide&side=1200&mp=1.5&added_from=2024-02-29&tag=dog&tag=%3Cb%3E"
    filters, _ = read_filters(QueryDict(asked))
    said = dict(filters.said())
    assert list(said) == [
        "wider than high",
        "at least 1,200 pixels a side",
        "at least 1.5 megapixels",
        "added since 2024-02-29",
        "tagged “dog”",
        "tagged “<b>”",
    ]
    assert said["tagged “dog”"].tag == ("<b>",)
    assert said["wider than high"].orientation == ""
    assert said["wider than high"].side == 1200


def test_an_address_says_the_same_again():
    asked = "orientation=wide&side=1200&mp=1.5&added_from=2024-02-29&tag=dog&tag=cat"
    filters, _ = read_filters(QueryDict(asked))
    again = QueryDict(mutable=True)
    for name, value in filters.params():
        again.appendlist(name, value)
    assert read_filters(again) == (filters, [])
    assert Filters().params() == []
