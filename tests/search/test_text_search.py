"""Searching by words: the pages and the command, over scenes that a small CLIP has looked at."""

import io
import re
import threading
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from gallery.models import Image
from search import forms, retrieval, views
from search.engines import _embedding
from search.live_index import forget_all
from search.models import Feature
from search.query import Query
from search.retrieval import retrieve
from tests.networks.scenes import Scene, draw
from tests.pictures import encode
from tests.search.doubles import text
from tests.search.meaning import fill, look, use

ANYBODY = AnonymousUser()
REDS = [Scene("red", "circle", 1, place) for place in ("right", "top", "bottom")]
SCENES = [*REDS, Scene("blue", "square", 2), Scene("green", "star", 3, "middle", "night"), Scene("blue", "circle", 1)]


@pytest.fixture
def network(settings, transactional_db):
    use(settings)


@pytest.fixture
def gallery(network, add):
    return fill(add, SCENES)


def names(response) -> list[str]:
    """Of the pictures, in the order of the page."""
    return re.findall(r'<span class="name">([^<]*)\.png</span>', response.content.decode())


def said(scenes) -> set[str]:
    return {str(scene) for scene in scenes}


def search(client, **params):
    return client.get("/search/", params)


def test_it_works(client, gallery):
    response = search(client, q="a red circle")
    assert response.status_code == 200
    assert set(names(response)) == said(REDS)
    page = text(response)
    assert re.search(r"\d weaker results? hidden", page)
    assert "these words fit it better than" in page or "closer to what you ask than" in page
    assert 'value="a red circle"' in response.content.decode()
    weaker = search(client, q="a red circle", weak="1")
    assert not set(names(weaker)) & said(REDS)
    assert (
        search(client, q='circles ~"red circles"').context["answer"].found[0].image.name
        == "a blue circle in the middle by day.png"
    )


def test_nothing_is_found_that_is_not_there(client, gallery):
    response = search(client, q="yellow triangles")
    assert response.context["answer"].found == []
    assert "Nothing here fits that" in text(response)
    assert "the nearest" in text(response)
    assert len(names(response)) == min(views.NEAREST, len(gallery))


def test_filters_come_before_the_best_are_taken(client, gallery):
    old = gallery[REDS[1]]
    Image.objects.filter(pk=old.pk).update(added_at=datetime(2020, 1, 1, tzinfo=UTC), width=400, height=300)
    assert names(search(client, q="a red circle", added_to="2020-12-31")) == [str(REDS[1])]
    assert names(search(client, q="a red circle", orientation="wide")) == [str(REDS[1])]
    (hit,) = retrieve(Query(text="a red circle", among=[old.pk]), ANYBODY, limit=1).found
    assert hit.image == old
    response = search(client, q="a red circle", added_to="2019-12-31")
    assert "No picture passes your filters" in text(response)
    response = search(client, q="green stars", orientation="wide")
    assert "None of the 1 picture that passes your filters" in text(response)
    page = search(client, q="a red circle", orientation="wide", side="100").content.decode()
    assert 'href="/search/?q=a+red+circle&amp;side=100"' in page
    assert 'href="/search/?q=a+red+circle"' in page


def test_results_can_be_sorted_and_paged(client, gallery, settings):
    second = gallery[REDS[1]]
    Image.objects.filter(pk=second.pk).update(taken_at=datetime(2001, 1, 1, tzinfo=UTC))
    newest = [str(scene) for scene in reversed(REDS)]
    assert names(search(client, q="a red circle", sort="newest")) == newest
    assert names(search(client, q="a red circle", sort="oldest")) == newest[::-1]
    assert names(search(client, q="a red circle", sort="taken"))[0] == str(REDS[1])
    settings.PAGE_SIZE = 2
    page = search(client, q="a red circle", sort="newest")
    assert names(page) == newest[:2]
    (onward,) = re.findall(r'rel="next" href="([^"]*)"', page.content.decode())
    assert names(client.get(onward.replace("&amp;", "&"), headers={"HX-Request": "true"})) == newest[2:]


def test_this_but_in_words(client, gallery):
    data = encode(draw(Scene("red", "circle", 1, "left"), 3, 96), "PNG")
    address = client.post("/search/", {"picture": SimpleUploadedFile("mine.png", data)})["Location"]
    assert "This, but …" in text(client.get(address))
    for place in (address, f"/search/like/{gallery[REDS[0]].pk}/"):
        response = client.get(place, {"q": "a blue circle", "words": "70"})
        assert response.status_code == 200
        best = (response.context["answer"].found + response.context["answer"].weak)[0]
        assert best.image == gallery[SCENES[-1]]
        assert 'value="70"' in response.content.decode()


@pytest.mark.parametrize(
    "params",
    [{"sort": "best"}, {"side": "huge"}, {"words": "120"}, {"taken_to": "then"}],
)
def test_nonsense_is_said_and_the_rest_is_shown(client, gallery, params):
    response = search(client, **({"q": "a red circle"} | params))
    assert response.status_code == 400
    assert set(names(response)) >= said(REDS)
    assert 'role="alert"' in response.content.decode()


@pytest.mark.parametrize(
    ("q", "status"),
    [
        ("<script>alert(1)</script>", 200),
        ('"><img src=x onerror=alert(1)>', 400),
        ("red " * 400, 200),
        ("\u202e\ufffd🙂 ￿ ́", 200),
        ("%", 200),
        ("~", 400),
        ('~""', 200),
        ("   ", 200),
        ("a\x00b", 200),
    ],
)
def test_odd_words_do_no_harm(client, network, q, status):
    response = search(client, q=q)
    assert response.status_code == status
    page = response.content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_too_many_words_are_cut_and_that_is_said(client, gallery):
    response = search(client, q="red circles " * 200)
    assert response.status_code == 200
    assert "Only the first 1,000 characters" in text(response)


def test_an_empty_question_explains(client, transactional_db):
    page = text(search(client, q=" "))
    assert "what the pictures should not show" in page
    assert "by picture" in page


def test_without_weights_words_answer_and_it_says_what_is_missing(client, as_admin, add, settings, tmp_path):
    settings.WEIGHTS = tmp_path
    add(1, name="a dog.jpg")
    response = search(client, q="dog")
    assert response.status_code == 200
    assert "title: a <mark>dog</mark>.jpg" in re.sub(
        r'<span class="field-name">|</span>', "", response.content.decode()
    )
    page = text(response)
    assert "is not understood here yet" in page
    assert "the owner of the gallery" in page
    assert str(tmp_path) not in page
    told = text(search(as_admin, q="dog"))
    assert str(settings.NETWORKS["clip"][0]).partition(":")[2] in told
    assert "Models: fetch or bring" in told


def test_what_must_not_be_seen_needs_a_network(client, as_admin, settings, tmp_path, transactional_db):
    settings.WEIGHTS = tmp_path
    response = search(client, q="~people")
    assert response.status_code == 400
    assert "Write -people to leave out all pictures with the word." in text(response)
    assert 'value="~people"' in response.content.decode()
    assert "Models" in text(search(as_admin, q="~people"))


def test_a_picture_is_answered_though_words_are_not_understood(client, add, settings, tmp_path):
    settings.WEIGHTS = tmp_path
    image, copy = add(1), add(1, quality=40)
    response = client.get(f"/search/like/{image.pk}/", {"q": "at night"})
    assert response.status_code == 503
    assert "does not understand words yet" in text(response)
    assert [found.image for found in response.context["answer"].found] == [copy]


def test_a_network_that_is_being_loaded_is_asked_again(client, gallery, monkeypatch):
    monkeypatch.setattr(_embedding, "PATIENCE", 0.0)
    forget_all()
    _engine().network.rest()
    asked = threading.Event()
    monkeypatch.setattr(type(_engine().network), "load_words", lambda self: asked.wait(120))
    response = search(client, q="a red circle")
    page = response.content.decode()
    assert "is being loaded" in page
    assert "Nothing here fits that" not in page
    assert 'hx-get="/search/?q=a+red+circle&amp;again=1"' in page
    assert '<a href="/search/?q=a+red+circle">Ask again</a>' in page
    last = search(client, q="a red circle", again=str(forms.MAX_AGAIN)).content.decode()
    assert "is being loaded" in last
    assert "load delay" not in last  # no page asks for ever
    asked.set()


def _engine():
    from search.current import current_engine

    return current_engine("clip")


def test_the_page_of_a_picture_says_who_tells(client, gallery):
    page = text(client.get(f"/search/strips/{gallery[REDS[0]].pk}/"))
    assert _engine().network.label in page


def test_a_picture_that_was_not_looked_at_yet_is_found_by_the_others(client, gallery):
    image = gallery[REDS[0]]
    Feature.objects.filter(image=image, engine="clip").delete()
    response = client.get(f"/search/like/{image.pk}/")
    assert response.status_code == 200
    look()


def test_more_is_asked_of_words():
    assert retrieval.limit_of(Query(text="a dog")) == 1000
    assert retrieval.limit_of(Query(image_id=1)) == 200


class TestCommand:
    def run(self, *arguments: object) -> str:
        out = io.StringIO()
        call_command("search", *[str(a) for a in arguments], stdout=out, stderr=io.StringIO())
        return out.getvalue()

    def test_it_works(self, gallery, tmp_path):
        assert str(REDS[0]) in self.run("--text", "a red circle")
        first = self.run("--text", "circles", "--without", "red circles").splitlines()[0]
        assert str(SCENES[-1]) in first
        assert "Nothing like it" in self.run("--text", "a red circle", "--filter", "added_to=2001-01-01")
        file = tmp_path / "mine.png"
        file.write_bytes(encode(draw(REDS[0], 3, 96), "PNG"))
        changed = self.run("--image", file, "--text", "a blue circle", "--weight", "0.7", "--weak").splitlines()[0]
        assert str(SCENES[-1]) in changed

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--text", "dog", "--color", "fff"], "at once"),
            (["--text", "dog", "--weight", "2"], "--weight"),
            (["--text", "dog", "--filter", "height=3"], "no filter"),
            (["--text", "dog", "--filter", "side=x"], "smallest side"),
            ([], "Nothing was asked"),
            (["--text", '~""'], "Nothing was asked"),
        ],
    )
    def test_it_rejects(self, transactional_db, arguments, sentence):
        with pytest.raises(CommandError, match=sentence):
            self.run(*arguments)
