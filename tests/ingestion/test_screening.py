"""What the filters say of a candidate, and what follows from it."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from gallery.models import Image
from ingestion import bans
from ingestion.filters import all_filters
from ingestion.filters._base import Filter, Finding, Outcome, Score
from ingestion.models import Candidate, CutOff, Decision, Source
from ingestion.pipeline import Origin, import_blocks
from ingestion.screening import screen_next
from tests.ingestion.offering import KIND, RULES
from tests.pictures import encode, photo

pytestmark = pytest.mark.django_db
SIZE = (160, 120)
State = Candidate.State


class Strange(Filter):
    """Says what a test wants it to say."""

    name, label, order = "strange", "Strangeness", 90
    scores = (Score("strangeness", "Strangeness", "How strange it is.", "low"),)
    says: Callable[[], Finding] = staticmethod(lambda: Finding({"strangeness": 0.25}))
    lacks = ""

    def missing(self) -> str:
        return self.lacks

    def judge(self, screened, options) -> Finding:
        return self.says()


@pytest.fixture(autouse=True)
def strange() -> Iterator[Strange]:
    """The only filter beside that of size: what the others say is their own business."""
    kept = dict(all_filters())
    filter_ = Strange()
    all_filters().clear()
    all_filters().update({"size": kept["size"], "strange": filter_})
    yield filter_
    all_filters().clear()
    all_filters().update(kept)


@pytest.fixture
def source(db) -> Source:
    return Source.objects.create(name="here", kind=KIND, rules=RULES)


@pytest.fixture
def fetched(source) -> Callable[..., Candidate]:
    """fetched(seed) -> a candidate whose file is there."""

    def fetched(what: int | bytes, **facts: object) -> Candidate:
        from gallery.originals import Incoming
        from ingestion.candidate_files import keep
        from ingestion.offers import candidate_of
        from ingestion.sources._base import Found

        data = encode(photo(what, *SIZE)) if isinstance(what, int) else what
        number = Candidate.objects.count()
        found = Found(f"https://example.org/{number}.jpg", page="https://example.org/post", title="A picture")
        candidate = candidate_of(source, found, state=State.FETCHED)
        with Incoming("a.jpg") as incoming:
            incoming.fill([data])
            candidate.sha256, candidate.bytes = incoming.sha256, incoming.bytes
            keep(candidate, incoming)
        candidate.save()
        return candidate

    return fetched


def screened(candidate: Candidate) -> Candidate:
    assert screen_next() == candidate
    return Candidate.objects.get(pk=candidate.pk)


def test_it_works(fetched):
    candidate = screened(fetched(1))
    assert (candidate.state, candidate.advice, candidate.attempts) == (State.WAITING, "pass", 0)
    assert (candidate.format, candidate.width, candidate.height) == ("JPEG", *SIZE)
    assert candidate.scores["strangeness"] == 0.25
    assert candidate.scores["megapixels"] == pytest.approx(0.0192)
    assert [verdict["filter"] for verdict in candidate.verdicts] == ["size", "strange"]
    assert candidate.screened_at
    assert bytes(candidate.thumbnail).startswith(b"RIFF")
    assert len(candidate.phash) == 73
    assert candidate.embedding
    assert candidate.embedded_by
    assert candidate.has_file


class TestVerdicts:
    def test_beyond_the_line_a_person_is_asked(self, fetched, strange):
        CutOff.objects.create(score="strangeness", value=0.2)
        candidate = screened(fetched(1))
        assert (candidate.state, candidate.advice) == (State.WAITING, "hold")
        assert candidate.verdicts[1]["sentence"] == "Strangeness is 0.25, over the line at 0.2."

    def test_the_line_of_the_source_counts_before_that_of_all(self, fetched, source):
        CutOff.objects.create(score="strangeness", value=0.2, action="reject")
        CutOff.objects.create(score="strangeness", value=0.5, source=source)
        assert screened(fetched(1)).advice == "pass"

    def test_one_that_fails_holds_and_never_drops(self, fetched, strange, source):
        def fail() -> Finding:
            raise ZeroDivisionError

        strange.says = fail
        Source.objects.update(publishes=True)
        candidate = screened(fetched(1))
        assert (candidate.state, candidate.advice) == (State.WAITING, "hold")
        assert "Strangeness could not be judged (ZeroDivisionError)" in candidate.verdicts[1]["sentence"]
        assert "megapixels" in candidate.scores

    def test_one_that_is_not_ready_is_passed_over_and_says_so_without_paths(self, fetched, strange):
        strange.lacks = "Copy the weights to /var/gallery first."
        Source.objects.update(publishes=True)
        candidate = screened(fetched(1))
        said = {"outcome": "pass", "facts": {"not_judged": True}, "sentence": "Not judged: this filter was not ready."}
        assert candidate.verdicts[1] | said == candidate.verdicts[1]
        assert candidate.state == State.ACCEPTED  # where nobody has drawn a line, it only informs

    @pytest.mark.parametrize("says", [None, Finding(), Finding({"strangeness": float("nan")})])
    def test_what_a_filter_with_a_line_could_not_judge_is_never_published_unasked(self, fetched, strange, says):
        strange.lacks = "" if says else "Train it first."
        strange.says = lambda: says
        CutOff.objects.create(score="strangeness", value=0.2)
        Source.objects.update(publishes=True)
        candidate = screened(fetched(1))
        assert candidate.state == State.WAITING
        assert candidate.advice == "hold" or candidate.reason.endswith("it was not judged by: Strangeness.")

    def test_what_is_no_number_or_no_text_can_be_kept(self, fetched, strange):
        facts = {"x": float("inf"), "y": np.float32(0.5), "z": np.int64(3)}
        strange.says = lambda: Finding({"strangeness": float("nan")}, "a\0b", facts=facts)
        candidate = screened(fetched(1))
        assert "strangeness" not in candidate.scores
        assert candidate.verdicts[1]["facts"] == {"x": None, "y": 0.5, "z": 3}


class TestWhatFollows:
    def test_of_a_source_that_publishes_what_passes_is_accepted(self, fetched):
        Source.objects.update(publishes=True)
        candidate = screened(fetched(1))
        assert (candidate.state, candidate.decided_by) == (State.ACCEPTED, None)
        decision = Decision.objects.get()
        assert (decision.action, decision.by, decision.note) == ("accept", None, "by the rules")
        Source.objects.get().remove()
        assert screened(fetched(2)).state == State.WAITING  # of one that is removed nothing comes in unasked

    def test_a_line_that_rejects_does_so_and_bans_nothing(self, fetched):
        CutOff.objects.create(score="strangeness", value=0.2, action="reject")
        candidate = screened(fetched(1))
        assert (candidate.state, candidate.reason) == (State.REJECTED, "Strangeness is 0.25, over the line at 0.2.")
        step = Decision.objects.get().steps.get()
        assert (step.before, step.scores["strangeness"]) == ("waiting", 0.25)
        assert bans.banned(candidate.sha256, bytes(candidate.phash)) is None
        assert candidate.has_file  # for a day, so that it can be undone

    def test_the_same_bytes_are_known_and_their_image_gets_a_source(self, fetched):
        data = encode(photo(1, *SIZE))
        image = import_blocks([data], "a.jpg", Origin("upload", "a.jpg")).image
        candidate = screened(fetched(data))
        assert (candidate.state, candidate.image) == (State.KNOWN, image)
        assert image.sources.filter(kind=KIND, address="https://example.org/post", title="A picture").exists()
        assert Image.objects.count() == 1

    def test_what_a_filter_finds_here_already_is_known_too(self, fetched, strange):
        image = import_blocks([encode(photo(1, 320, 240))], "a.jpg", Origin("upload", "a.jpg")).image
        facts = {"duplicate_of": image.pk, "likenesses": [{"image": image.pk}]}
        strange.says = lambda: Finding(sentence="#1 is larger.", outcome=Outcome.REJECT, facts=facts)
        candidate = screened(fetched(1))
        assert (candidate.state, candidate.image, candidate.reason) == (State.KNOWN, image, "#1 is larger.")
        assert candidate.likenesses == [{"image": image.pk}]
        assert image.sources.count() == 2

    def test_what_was_rejected_stays_out_re_encoded_too(self, fetched, source):
        first = screened(fetched(1))
        bans.ban([first], None, "A watermark.")
        again = screened(fetched(encode(photo(1, *SIZE), quality=60)))
        assert (again.state, again.reason) == (State.REJECTED, "It was rejected before: A watermark.")

    def test_what_is_no_picture_fails_with_a_sentence(self, fetched):
        candidate = screened(fetched(b"<html>Not here</html>"))
        assert candidate.state == State.FAILED
        assert candidate.reason

    def test_a_lost_file_is_fetched_again(self, fetched):
        candidate = fetched(1)
        candidate.path.unlink()
        assert screened(candidate).state == State.FOUND

    def test_a_worker_that_was_too_slow_changes_nothing(self, fetched, strange):
        candidate = fetched(1)

        def slow() -> Finding:
            Candidate.objects.update(worker="another one")
            return Finding()

        strange.says = slow
        assert screened(candidate).state == State.FETCHED
        assert not Decision.objects.exists()
