"""A query becomes an answer: every engine is asked, and none can spoil it."""

import threading

import pytest
from django.contrib.auth.models import AnonymousUser
from PIL import ImageOps

from gallery.pictures import decode
from search import live_index
from search.current import current_engines
from search.engines import all_engines, get_engine, own_engines
from search.engines._base import Grade
from search.errors import EngineError, QueryError
from search.models import Feature, images_without, store_features
from search.query import Query, parse_colours
from search.retrieval import retrieve
from tests.pictures import encode, photo

ANYBODY = AnonymousUser()


def ask(picture, **options):
    return retrieve(Query(picture=decode(encode(picture))), ANYBODY, **options)


def found(answer) -> list[int]:
    return [f.image.pk for f in answer.found]


def test_it_works(add):
    wanted = add(1)
    add(2)
    answer = ask(photo(1).resize((200, 150)))
    assert found(answer)[0] == wanted.pk
    best = answer.found[0]
    assert best.match.certain
    assert best.match.grade == Grade.SAME
    assert "of 576 bits differ" in best.evidence
    assert set(best.match.hits) == set(current_engines())
    assert set(answer.seconds) == set(current_engines())


def test_it_finds_a_mirrored_picture_and_says_so(add):
    wanted = add(1)
    answer = ask(ImageOps.mirror(photo(1)))
    assert found(answer)[0] == wanted.pk
    assert "mirrored" in answer.found[0].evidence


def test_it_starts_from_a_picture_of_the_gallery_and_leaves_it_out(add):
    image, copy = add(1), add(photo(1), quality=40)
    answer = retrieve(Query(image_id=image.pk), ANYBODY)
    assert found(answer)[0] == copy.pk
    assert image.pk not in found(answer) + [f.image.pk for f in answer.weak]


def test_it_hides_what_this_reader_may_not_see(add):
    image = add(1)
    image.trash()
    assert found(ask(photo(1))) == []


def test_trashed_copies_do_not_crowd_out_the_visible_one(add):
    for quality in range(60, 90):
        add(photo(1), quality=quality).trash()
    visible = add(photo(1), quality=20)  # the farthest of all
    assert found(ask(photo(1), limit=5)) == [visible.pk]


def test_what_lies_in_the_trash_gets_no_feature(add):
    image = add(1)
    image.trash()
    assert not image.features.exists()
    assert store_features(image, decode(encode(photo(1)))) == []
    assert not image.features.exists()
    assert not any(images_without(engine).exists() for engine in own_engines().values())


def test_it_says_that_an_upgrade_is_not_complete(add, monkeypatch):
    images = [add(seed) for seed in (1, 2, 3)]
    engine = get_engine("color")
    Feature.objects.filter(engine="color").exclude(image=images[0]).update(version=engine.version + 1)
    sentence = f"{engine.label}: 33 % of the pictures are indexed, the others are on their way."
    assert ask(photo(1)).notices == [sentence]
    for image in images[1:]:
        store_features(image, decode(encode(photo(4))))
    assert ask(photo(1)).notices == [sentence]  # looked up once a minute, not for each search
    monkeypatch.setattr(live_index.live_index("color"), "_look_at", 0.0)
    assert ask(photo(1)).notices == []


def test_it_says_that_a_new_engine_has_not_seen_all(add):
    images = [add(seed) for seed in (1, 2, 3)]
    Feature.objects.filter(engine="color").exclude(image=images[-1]).delete()
    label = get_engine("color").label
    assert ask(photo(1)).notices == [f"{label}: 33 % of the pictures are indexed, the others are on their way."]


def test_it_finds_a_picture_again_that_came_out_of_the_trash(add):
    from ingestion.pipeline import complete

    image = add(1)
    image.trash()
    image.restore()
    complete(image)
    assert found(ask(photo(1))) == [image.pk]


def test_nothing_is_found_in_an_empty_gallery(transactional_db):
    answer = ask(photo(1))
    assert (answer.found, answer.weak, answer.notices) == ([], [], [])


def test_weak_results_are_counted_apart(add):
    for seed in range(1, 12):
        add(seed)
    answer = ask(photo(99))
    assert not any(f.match.certain for f in answer.found + answer.weak)
    for f in answer.weak:
        cutoffs = [all_engines()[name].cutoff for name in f.match.hits]
        assert all(hit.score < cut for hit, cut in zip(f.match.hits.values(), cutoffs, strict=True))


def test_it_respects_the_limit(add):
    for seed in range(1, 8):
        add(photo(1), name=f"{seed}.jpg", quality=60 + seed)
    assert len(ask(photo(1), limit=3).found) == 3


def test_a_failing_engine_becomes_a_notice(add, monkeypatch):
    wanted = add(1)
    monkeypatch.setattr(type(get_engine("color")), "search", lambda *args: 1 / 0)
    answer = ask(photo(1))
    assert found(answer) == [wanted.pk]
    assert answer.notices == [f"{get_engine('color').label}: this engine failed; the reason is in the log."]


def test_an_engine_error_is_shown_as_it_is(add, monkeypatch):
    add(1)

    def refuse(*args):
        raise EngineError("Colours are off today.")

    monkeypatch.setattr(type(get_engine("color")), "search", refuse)
    assert ask(photo(1)).notices == ["Colours are off today."]


def test_a_slow_engine_does_not_hold_up_the_answer(add, monkeypatch):
    wanted = add(1)
    slow = type(get_engine("color"))
    monkeypatch.setattr(slow, "seconds", 0.2)
    live_index.live_index("color").fresh(60)  # the time is not spent on making it
    answered = threading.Event()
    monkeypatch.setattr(slow, "search", lambda *args: answered.wait(120) and [])
    answer = ask(photo(1))
    answered.set()
    assert found(answer) == [wanted.pk]
    assert answer.notices == [f"{get_engine('color').label}: no answer within 0.2 seconds."]


def test_a_picture_without_features_says_so(add):
    image = add(1)
    image.features.all().delete()
    notices = retrieve(Query(image_id=image.pk), ANYBODY).notices
    assert len(notices) == len(current_engines())
    assert all("still being prepared" in notice for notice in notices)


def test_it_asks_only_the_named_engines(add):
    add(1)
    assert set(ask(photo(1), engines=["phash"]).seconds) == {"phash"}


def test_it_requires_an_engine_that_understands(transactional_db):
    with pytest.raises(QueryError, match="understand words"):
        retrieve(Query(text="a dog"), ANYBODY)


def test_it_requires_a_question():
    with pytest.raises(QueryError, match="Nothing was asked"):
        Query()


def test_colours_find_pictures_that_hold_them(add):
    from PIL import Image

    red = add(Image.new("RGB", (64, 64), (210, 30, 40)), name="red.jpg")
    add(Image.new("RGB", (64, 64), (30, 40, 210)), name="blue.jpg")
    assert found(retrieve(Query(colours=((205, 35, 45),)), ANYBODY))[0] == red.pk


@pytest.mark.parametrize(
    ("text", "colours"),
    [
        ("3366cc", ((0x33, 0x66, 0xCC),)),
        ("#FFF", ((255, 255, 255),)),
        (" 3366cc , 000 ", ((0x33, 0x66, 0xCC), (0, 0, 0))),
        ("", ()),
    ],
)
def test_colours_are_parsed(text, colours):
    assert parse_colours(text) == colours


@pytest.mark.parametrize("text", ["zzz", "12345", "1,2", "ｆｆｆ", "fff," * 6, "\x00"])
def test_nonsense_is_refused_as_a_colour(text):
    with pytest.raises(QueryError):
        parse_colours(text)


def test_threads_of_the_pool_survive_a_lost_connection(add):
    """PostgreSQL was restarted, or closed an idle connection."""
    from django.db import connection
    from huey.contrib.djhuey import HUEY

    wanted = add(1)
    assert found(ask(photo(1))) == [wanted.pk]
    HUEY.storage.close()  # the queue's would be lost too, for a test that comes later
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
    assert found(ask(photo(1))) == [wanted.pk]
