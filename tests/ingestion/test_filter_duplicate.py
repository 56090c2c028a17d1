"""Here already, or rejected before, or waiting: the better one is kept."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from gallery.pictures import decode
from ingestion.bans import ban
from ingestion.filters import all_filters
from ingestion.models import Ban, Candidate, Source
from search.engines.local_features import ENGINE as KEYPOINTS
from search.engines.phash import ENGINE
from tests.ingestion.filter_contract import FilterContract, screened
from tests.pictures import encode, photo


@pytest.mark.django_db(transaction=True)
class TestDuplicate(FilterContract):
    name = "duplicate"

    def test_what_is_new_passes(self, judge, add):
        add(2)
        finding = judge(1)
        assert (finding.scores, finding.outcome, finding.sentence) == ({"sameness": 0.0}, "pass", "")

    def test_what_the_gallery_has_is_rejected_with_the_image(self, judge, add):
        image = add(photo(1, 640, 480))
        small, recoded = photo(1, 640, 480).resize((320, 240)), encode(photo(1, 640, 480), quality=60)
        for same in (encode(photo(1, 640, 480)), small, recoded):
            finding = judge(same)
            assert (finding.outcome, finding.scores, finding.facts["duplicate_of"]) == (
                "reject",
                {"sameness": 1},
                image.pk,
            )
        image.trash()
        assert "in the trash" in judge(encode(photo(1, 640, 480))).sentence

    def test_what_the_hash_has_proven_is_not_looked_for_by_keypoints(self, judge, add, monkeypatch):
        image = add(photo(1, 640, 480))
        monkeypatch.setattr(type(KEYPOINTS), "probe", lambda *_: pytest.fail("nobody need ask"))
        assert judge(photo(1, 640, 480).resize((320, 240))).facts["duplicate_of"] == image.pk

    def test_a_larger_one_asks_whether_to_replace(self, judge, add):
        image = add(photo(1, 640, 480).resize((320, 240)))
        finding = judge(photo(1, 640, 480))
        assert (finding.outcome, finding.facts["larger_than"]) == ("hold", image.pk)
        assert "larger: replace?" in finding.sentence
        assert finding.facts["likenesses"][0]["image"] == image.pk
        self.check(finding)

    def test_a_part_of_one_that_is_here_is_rejected(self, judge, add):
        image = add(photo(1, 640, 480))
        finding = judge(photo(1, 640, 480).crop((100, 60, 500, 400)))
        assert (finding.outcome, finding.facts.get("part_of")) == ("reject", image.pk)
        assert "duplicate_of" not in finding.facts


@pytest.fixture
def bring(db):
    source = Source.objects.create(name="a-source", kind="feed")

    def bring(what, state="waiting", **fields):
        content = encode(what)
        picture = decode(content)
        key = f"{Candidate.objects.count():064x}"
        facts = {"width": picture.width, "height": picture.height, "bytes": len(content)}
        facts |= {"phash": ENGINE.extract(picture), "sha256": key} | fields
        return Candidate.objects.create(source=source, key=key, url=key, state=state, **facts)

    return bring


@pytest.mark.django_db(transaction=True)
class TestOtherCandidates:
    @pytest.fixture
    def judge(self, tmp_path):
        return lambda what, **how: all_filters()["duplicate"].judge(screened(tmp_path, what, **how), {})

    @pytest.mark.parametrize("state", ["waiting", "accepted", "published"])
    def test_one_that_waits_or_has_just_come_counts(self, judge, bring, state):
        twin = bring(photo(1, 640, 480), state, decided_at=Now())
        finding = judge(photo(1, 640, 480).resize((320, 240)))
        assert (finding.outcome, finding.facts) == ("reject", {"twin": twin.token})

    def test_the_larger_one_is_held_beside_it(self, judge, bring):
        twin = bring(photo(1, 640, 480).resize((320, 240)))
        finding = judge(photo(1, 640, 480))
        assert (finding.outcome, finding.facts) == ("hold", {"twin": twin.token})
        assert "this one is larger: which one?" in finding.sentence

    @pytest.mark.parametrize("state", ["rejected", "left", "failed", "known"])
    def test_one_that_will_not_come_does_not_count(self, judge, bring, state):
        bring(photo(1), state, decided_at=Now())
        assert judge(1).outcome == "pass"

    def test_one_that_was_rejected_by_a_person_stays_out(self, judge, bring):
        ban([bring(photo(1), "rejected")], None, "not ours")
        made = Ban.objects.get()
        finding = judge(encode(photo(1), quality=50))
        assert (finding.outcome, finding.facts) == ("reject", {"ban": made.pk})
        assert finding.sentence == "It was rejected before in another form."

    def test_one_that_shows_something_else_by_now_does_not_count(self, judge, bring):
        """Fetched again from an address that gives another picture."""
        twin = bring(photo(1))
        assert judge(1).facts == {"twin": twin.token}
        Candidate.objects.filter(pk=twin.pk).update(phash=ENGINE.extract(decode(encode(photo(2)))))
        assert judge(1).outcome == "pass"

    def test_a_decision_makes_nobody_read_all_hashes_again(self, judge, bring):
        rows = [bring(photo(seed)) for seed in (1, 2, 3)]
        judge(4)
        Candidate.objects.filter(pk=rows[1].pk).update(state="rejected")
        last = bring(photo(5))
        with CaptureQueriesContext(connection) as asked:
            assert judge(3).facts == {"twin": rows[2].token}
            assert judge(5).facts == {"twin": last.token}
        read = [query["sql"] for query in asked if '"phash" FROM' in query["sql"] and "LIMIT" not in query["sql"]]
        assert len(read) == 1
        assert f"IN ({last.pk})" in read[0]
        assert judge(2).outcome == "pass"

    def test_it_is_no_duplicate_of_itself(self, judge, bring, tmp_path):
        picture = screened(tmp_path, 1)
        bring(photo(1), "waiting", sha256=picture.sha256, token=picture.path.name[:40])
        named = picture.path.rename(tmp_path / picture.path.name[:40])
        picture.path = named
        assert all_filters()["duplicate"].judge(picture, {}).outcome == "pass"

    def test_of_two_with_the_same_bytes_the_first_one_stays(self, bring, tmp_path):
        picture = screened(tmp_path, 1)
        first = bring(photo(1), "fetched", sha256=picture.sha256, phash=b"")
        second = bring(photo(1), "fetched", sha256=picture.sha256, phash=b"")
        said = []
        for candidate in (first, second):
            picture.path = picture.path.rename(tmp_path / candidate.token)
            said.append(all_filters()["duplicate"].judge(picture, {}))
        assert [finding.outcome for finding in said] == ["pass", "reject"]
        assert said[1].facts == {"twin": first.token}
