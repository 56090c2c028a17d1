"""Cards, lists and strips as Jinja2 draws them: what strangers wrote stays text, and hidden pictures stay hidden."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from gallery.jinja import drawn
from gallery.models import Image
from search.cards import Card, Section
from search.engines._base import Grade, Hit
from search.fusion import Match
from search.marks import Mark
from search.retrieval import Found
from tests.gallery.test_jinja import EVIL, PICTURE, Seen

ADDRESS = "/search/like/1/"
PLACE = [[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]]
PROOF = {"points": 20, "mirrored": False, "relation": "part", "covers": 0.25, "in_match": PLACE}


def card(hits: dict[str, Hit], strong: bool = True, **changes: Any) -> Card:
    image = Image(pk=7, **PICTURE | changes)
    return Card(Found({7: image}, Match(7, hits, hits if strong else {})))  # type: ignore[arg-type]


def proven(**changes: Any) -> Card:
    return card({"local_features": Hit(7, 0.9, Grade.CONTAINS, True, PROOF)}, **changes)


def cards(*shown: Card, picks: bool = True) -> str:
    return drawn("search/_cards.jinja", cards=shown, address=ADDRESS, picks=picks)


def coloured(**changes: Any) -> Card:
    return card({"color": Hit(7, 0.7, Grade.SAME_COLOURS, False, {"shared": 0.83})}, **changes)


def words_of(one: Card, **evidence: Any) -> Card:
    one.found.match.hits["words"] = Hit(7, 0.1, Grade.LOOKS_LIKE, False, evidence)
    return one


def test_it_works():
    page = cards(proven(), picks=False)
    assert '<article class="card" id="match-7" data-select="7">' in page
    assert '<a class="open" href="/image/7/" data-like="/search/like/7/">' in page
    assert '<span class="score sure"><span class="badge"><svg class="icon"' in page
    assert '<rect width="90" height="4"/></svg><span class="number">90&nbsp;%</span>' in page
    assert "20 matching points, covers 25\N{NO-BREAK SPACE}% of the original" in page
    assert page.count('points="0') == 2  # the outline and what is under it
    assert f'href="{ADDRESS}match/7/" hx-get="{ADDRESS}match/7/" hx-target="#evidence-7"' in page
    assert '<section class="evidence panel" id="evidence-7"' in page
    assert "1000 × 500" in page
    assert 'class="pick"' not in page


def test_what_is_not_proven_promises_no_evidence():
    page = cards(coloured())
    assert "83\N{NO-BREAK SPACE}% of the palette shared" in page
    assert "certain" not in page
    assert "evidence" not in page
    assert '<input type="checkbox" name="image" value="7" form="selection"' in page


def test_a_numbered_card_has_its_outline_on_the_query():
    one = proven()
    one.number = 3
    page = cards(one)
    assert 'data-outline="7"' in page
    assert '<span class="place-number" title="Its number on your picture">3</span>' in page


def test_what_strangers_wrote_stays_text():
    one = words_of(card({}, strong=False, name=EVIL, caption=EVIL), tag=EVIL, lacks=[EVIL], has=[])
    one.marks = [Mark("tag", EVIL, wrote=EVIL)]  # type: ignore[arg-type] # a text that nobody has escaped
    seen = Seen(cards(one) + drawn("search/_cards.jinja", cards=[proven(name=EVIL)], address=EVIL, picks=True))
    assert {"script", "onerror"} & seen.names == set()
    for said in (EVIL, f" {EVIL} ", f"(you wrote {EVIL})", f"not: {EVIL}", f"Select {EVIL}", f" for {EVIL}"):
        assert said in seen.words, said


def test_lists_and_strips_escape():
    image = Image(pk=7, **PICTURE | {"name": EVIL, "caption": EVIL})
    section = Section(Grade.CONTAINS, "part", [proven(name=EVIL, caption=EVIL)], 9)
    strip = {"section": section, "most": 1, "address": EVIL}
    alike = [SimpleNamespace(image=image, shared=[EVIL])] * 2
    item = SimpleNamespace(image=image, via=EVIL, score=0.5)
    pages = {
        "_listed": {"listed": [SimpleNamespace(image=image, marks=[])], "picks": True},
        "_collection_tiles": {"items": [item], "mine": True, "picks": True},
        "_strip": strip | {"label": EVIL},
        "_strip_proven": strip,
        "_strip_tags": {"alike": alike, "most": 1, "all": EVIL},
    }
    for name, context in pages.items():
        seen = Seen(drawn(f"search/{name}.jinja", **context))
        assert {"script", "onerror"} & seen.names == set(), name
        assert EVIL in seen.words, name


def test_a_private_picture_has_a_lock():
    page = cards(coloured(private=True))
    assert '<span class="private" title="Only for its owners">' in page
    assert "/private/ab/ab/" in page
    assert "/r/" not in page


@pytest.mark.parametrize("changes", [{"trashed_at": timezone.now()}, {"state": "new"}], ids=["trashed", "new"])
def test_of_a_picture_without_thumbnails_only_the_blur_is_shown(changes):
    page = cards(coloured(**changes))
    assert '<span class="unseen">sea.jpg</span>' in page
    assert "/r/" not in page


def test_a_score_stands_in_a_collection_before_the_search_that_found_it():
    item = SimpleNamespace(image=Image(pk=7, **PICTURE), via="sea", score=0.456)
    mine, others = (
        drawn("search/_collection_tiles.jinja", items=[item], mine=mine, picks=False) for mine in (True, False)
    )
    assert '<b class="number">0.46</b> sea</span>' in mine
    assert 'title="sea.jpg, found by: sea"' in mine
    assert '<b class="number">0.46</b> sea.jpg</span>' in others
    assert "found by" not in others
