"""Taking decisions back: all that nobody has built upon since, with a sentence for the rest."""

from __future__ import annotations

import pytest

from gallery.models import Edit, Image, ImageSource, User
from ingestion import moderation
from ingestion.models import Ban, Candidate
from ingestion.moderation import ModerationError
from ingestion.publishing import publish_next
from tests.ingestion.waiting import person, some, staff, states, wait

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return staff()


@pytest.fixture
def member():
    return person("alice")


def test_it_works(admin):
    """The newest first: rejected waits again and may come in, accepted waits again, put off is where it was."""
    rejected, accepted, skipped = wait(1), wait(2), wait(3)
    moderation.reject(some(rejected), admin, "Poor quality")
    moderation.accept(some(accepted), admin)
    moderation.skip(some(skipped), admin)
    for _ in range(3):
        assert moderation.undo(moderation.last_undoable(admin), admin) == []
    assert moderation.last_undoable(admin) is None
    assert states(rejected, accepted, skipped) == ["waiting"] * 3
    assert not Ban.objects.exists()
    skipped.refresh_from_db()
    rejected.refresh_from_db()
    assert (skipped.skips, rejected.reason, rejected.decided_by) == (0, "", None)


def published(candidate: Candidate, by: User) -> Image:
    moderation.accept(some(candidate), by)
    assert publish_next() is not None
    candidate.refresh_from_db()
    assert candidate.state == "published"
    return candidate.image


def test_what_was_published_goes_to_the_trash_and_can_come_again(admin):
    candidate = wait(1)
    image = published(candidate, admin)
    assert moderation.undo(moderation.last_undoable(admin), admin) == []
    image.refresh_from_db()
    assert image.trashed_at
    assert states(candidate) == ["waiting"]
    assert published(candidate, admin) == image
    image.refresh_from_db()
    assert image.trashed_at is None
    assert moderation.undo(moderation.last_undoable(admin), admin) == []


def test_a_file_that_is_swept_comes_back_from_the_original(admin):
    candidate = wait(1)
    data = candidate.path.read_bytes()
    published(candidate, admin)
    candidate.path.unlink()
    moderation.undo(moderation.last_undoable(admin), admin)
    assert candidate.path.read_bytes() == data
    assert states(candidate) == ["waiting"]


@pytest.mark.parametrize("change", ["edited", "met elsewhere", "merged"])
def test_a_picture_that_somebody_has_built_upon_stays(admin, change):
    candidate, other = wait(1), wait(2)
    moderation.accept(some(candidate, other), admin)
    publish_next(), publish_next()
    candidate.refresh_from_db()
    if change == "edited":
        Edit.objects.create(image=candidate.image, kind="tag", things=["sea"], before={}, after={}, by=admin)
    elif change == "met elsewhere":
        ImageSource.objects.create(image=candidate.image, kind="upload", address="mine.jpg")
    else:
        candidate.image.resolutions.create(by=admin)
    sentences = moderation.undo(moderation.last_undoable(admin), admin)
    assert sentences == ["1 is in the gallery and was changed there since, so it stays."]
    assert states(candidate, other) == ["published", "waiting"]
    assert Image.objects.trashed().count() == 1
    candidate.image.refresh_from_db()
    assert candidate.image.trashed_at is None


def test_without_a_file_it_is_fetched_again(admin):
    candidate = wait(1)
    moderation.reject(some(candidate), admin, "")
    candidate.path.unlink()
    moderation.undo(moderation.last_undoable(admin), admin)
    assert states(candidate) == ["found"]
    assert not Ban.objects.exists()


def test_a_later_decision_stands(admin, member):
    one, other = wait(1), wait(2)
    first = moderation.accept(some(one, other), member)
    moderation.reject(some(one), admin, "Offensive")
    moderation.accept(some(one), admin)
    assert moderation.undo(first, admin) == ["1 is decided anew since, and stays as it is."]
    assert states(one, other) == ["accepted", "waiting"]


def test_if_nothing_can_be_undone_it_is_not(admin):
    candidate = wait(1)
    decision = moderation.skip(some(candidate), admin)
    moderation.accept(some(candidate), admin)
    with pytest.raises(ModerationError, match="1 is decided anew since"):
        moderation.undo(decision, admin)
    decision.refresh_from_db()
    assert decision.undone_at is None


def test_an_overruled_rejection_comes_back_with_its_ban(admin):
    candidate = wait(1)
    moderation.reject(some(candidate), admin, "Offensive")
    decision = moderation.accept(some(candidate), admin)
    moderation.undo(decision, admin)
    candidate.refresh_from_db()
    assert (candidate.state, candidate.reason) == ("rejected", "Offensive")
    assert Ban.objects.get().candidate == candidate


def test_who_may(admin, member):
    """One's own; staff undo those of others too. Nobody twice."""
    candidate = wait(1)
    decision = moderation.reject(some(candidate), admin, "")
    with pytest.raises(ModerationError, match="Only staff, and whoever has decided"):
        moderation.undo(decision, member)
    moderation.undo(decision, admin)
    with pytest.raises(ModerationError, match="bob has undone this already"):
        moderation.undo(decision, admin)
    of_member = moderation.reject(some(candidate), member, "")
    assert moderation.last_undoable(admin) is None
    assert moderation.last_undoable(member) == of_member
    moderation.undo(of_member, admin)
    assert states(candidate) == ["waiting"]


def test_only_the_last_fifty_are_gone_through(admin, monkeypatch):
    monkeypatch.setattr("ingestion.moderation_undo.UNDOABLE", 2)
    rows = [wait(seed, file=False) for seed in range(3)]
    for row in rows:
        moderation.skip(some(row), admin)
    for _ in range(2):
        moderation.undo(moderation.last_undoable(admin), admin)
    assert moderation.last_undoable(admin) is None


def test_many_are_undone_in_slices_and_what_a_crash_left_once_more(admin, monkeypatch):
    monkeypatch.setattr("ingestion.moderation_undo.AT_ONCE", 1)
    rows = [wait(seed) for seed in range(3)]
    decision = moderation.accept(some(*rows), admin)
    for _ in rows:
        publish_next()
    trash, trashed = Image.trash, []

    def crash(image: Image) -> bool:
        if len(trashed) == 1:
            raise KeyboardInterrupt
        trashed.append(image)
        return trash(image)

    monkeypatch.setattr(Image, "trash", crash)
    with pytest.raises(KeyboardInterrupt):
        moderation.undo(decision, admin)
    assert states(*rows) == ["waiting", "published", "published"]
    monkeypatch.setattr(Image, "trash", trash)
    assert moderation.undo(moderation.last_undoable(admin), admin) == []
    assert states(*rows) == ["waiting"] * 3
    assert Image.objects.trashed().count() == 3


def test_more_pictures_are_not_more_questions(admin, django_assert_max_num_queries):
    """But for what the trash asks of each."""
    rows = [wait(seed) for seed in range(4)]
    decision = moderation.accept(some(*rows), admin)
    for _ in rows:
        publish_next()
    with django_assert_max_num_queries(30 + 6 * len(rows)):
        moderation.undo(decision, admin)
