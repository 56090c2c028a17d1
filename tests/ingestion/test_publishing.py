"""An accepted candidate becomes an image, once."""

from collections.abc import Callable

import pytest
from django.db.models.functions import Now

from gallery.models import Image
from gallery.originals import Incoming, path_of
from ingestion.candidate_files import forget_old_rows, keep, sweep_files
from ingestion.models import Candidate, Crawl, Job, Source
from ingestion.offers import candidate_of
from ingestion.publishing import publish_next
from ingestion.sources._base import Found
from tests.pictures import encode, photo

pytestmark = pytest.mark.django_db
State = Candidate.State


@pytest.fixture
def accepted(db) -> Callable[..., Candidate]:
    source = Source.objects.create(name="here", kind="feed")

    def accepted(seed: int, **facts: object) -> Candidate:
        url = f"https://example.org/{Candidate.objects.count()}.jpg"
        found = Found(url, title="A picture", author="Ann", licence="CC0")
        candidate = candidate_of(source, found, state=State.ACCEPTED, scores={"novelty": 0.5}, **facts)
        with Incoming("a.jpg") as incoming:
            incoming.fill([encode(photo(seed, 64, 48))])
            candidate.sha256, candidate.bytes = incoming.sha256, incoming.bytes
            keep(candidate, incoming)
        candidate.save()
        return candidate

    return accepted


def published(candidate: Candidate) -> Candidate:
    assert publish_next() == candidate
    return Candidate.objects.get(pk=candidate.pk)


def test_it_works(accepted):
    candidate = published(accepted(1))
    image = candidate.image
    assert candidate.state == State.PUBLISHED
    assert (image.sha256, image.scores, image.name) == (candidate.sha256, {"novelty": 0.5}, "0.jpg")
    source = image.sources.get()
    assert (source.kind, source.address) == ("feed", "https://example.org/0.jpg")
    assert (source.title, source.author, source.licence) == ("A picture", "Ann", "CC0")
    assert path_of(image.sha256, image.format).exists()
    assert Job.objects.filter(image=image).exists()
    assert candidate.has_file  # for a day


def test_twice_is_once(accepted):
    candidate = published(accepted(1))
    Candidate.objects.update(state=State.ACCEPTED, image=None)  # as after a crash at the worst moment
    assert published(candidate).image == Image.objects.get()
    assert candidate.image.sources.count() == 1


def test_whoever_undoes_it_meanwhile_wins(accepted, monkeypatch):
    candidate = accepted(1)
    truly = Incoming.finish

    def undone(self: Incoming) -> Incoming:
        Candidate.objects.update(state=State.WAITING)
        return truly(self)

    monkeypatch.setattr(Incoming, "finish", undone)
    assert published(candidate).state == State.WAITING
    assert not Image.objects.exists()


def test_those_that_were_known_because_it_waited_get_its_image(accepted):
    candidate = accepted(1)
    same = accepted(1)
    other = accepted(2, verdicts=[{"facts": {"twin": candidate.token}}])
    unrelated = accepted(3)
    Candidate.objects.exclude(pk=candidate.pk).update(state=State.KNOWN)
    image = published(candidate).image
    for each, its in ((same, image), (other, image), (unrelated, None)):
        each.refresh_from_db()
        assert each.image == its
    assert image.sources.count() == 3


class TestTheTrash:
    def trashed(self, candidate: Candidate) -> Image:
        image = published(candidate).image
        image.trash()
        Candidate.objects.filter(pk=candidate.pk).update(state=State.ACCEPTED, image=None)
        return image

    def test_the_rules_bring_nothing_back(self, accepted):
        candidate = accepted(1)
        image = self.trashed(candidate)
        assert published(candidate).state == State.KNOWN
        image.refresh_from_db()
        assert image.trashed_at

    def test_staff_do(self, accepted, admin):
        candidate = accepted(1)
        image = self.trashed(candidate)
        Candidate.objects.update(decided_by=admin)
        assert published(candidate).state == State.PUBLISHED
        image.refresh_from_db()
        assert not image.trashed_at


def test_a_lost_file_is_told(accepted):
    candidate = accepted(1)
    candidate.path.unlink()
    candidate = published(candidate)
    assert (candidate.state, "lost" in candidate.reason) == (State.FAILED, True)


class TestSweep:
    OLD = "2020-01-01T00:00Z"

    def age(self, candidate: Candidate) -> None:
        import os

        os.utime(candidate.path, (1, 1))

    @pytest.mark.parametrize(
        ("state", "decided", "stays"),
        [
            ("waiting", None, True),
            ("accepted", OLD, True),
            ("rejected", Now(), True),
            ("published", Now(), True),
            ("rejected", OLD, False),
            ("published", OLD, False),
            ("known", None, False),
            ("failed", None, False),
        ],
    )
    def test_a_file_stays_as_long_as_it_is_needed(self, accepted, state, decided, stays):
        candidate = accepted(1)
        self.age(candidate)
        Candidate.objects.update(state=state, decided_at=decided)
        assert sweep_files() == (not stays)
        assert candidate.path.exists() == stays

    def test_stray_files_go_when_they_are_old(self, accepted):
        candidate = accepted(1)
        Candidate.objects.all().delete()
        assert sweep_files() == 0
        self.age(candidate)
        assert sweep_files() == 1

    def test_old_rows_go(self, accepted):
        kept = accepted(1)
        left = accepted(2)
        Candidate.objects.update(found_at=self.OLD)
        Candidate.objects.filter(pk=left.pk).update(state=State.LEFT)
        Crawl.objects.create(source=kept.source, state="done", finished_at=self.OLD)
        Crawl.objects.create(source=kept.source, state="done", finished_at=Now())
        forget_old_rows()
        assert Candidate.objects.get() == kept
        assert Crawl.objects.count() == 1
