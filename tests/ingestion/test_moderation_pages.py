"""The pages of moderation, as they work without JavaScript and as htmx asks for them."""

from __future__ import annotations

import pytest
from django.test import Client

from gallery.pictures import decode
from ingestion import moderation, moderation_queue
from ingestion.models import Decision
from ingestion.moderation_cards import REASONS, number
from ingestion.unjudged import SENTENCE
from tests.ingestion.waiting import a_source, person, some, staff, states, wait

pytestmark = pytest.mark.django_db
QUEUE = "/admin/moderation/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def admin():
    return staff()


@pytest.fixture
def as_admin(admin):
    client = Client()
    client.force_login(admin)
    return client


def decide(client, *candidates, htmx=False, query="", **fields):
    marks = {"candidate": [f"{one.token}.{one.state}" for one in candidates]}
    return client.post(f"{QUEUE}decide/{query}", marks | fields, headers=HTMX if htmx else {})


def shown(client, query: str = "") -> list[str]:
    """Titles in the order of the page."""
    return [card.candidate.title for card in client.get(QUEUE + query).context["cards"]]


VERDICTS = [
    {"filter": "size", "outcome": "pass", "scores": {"megapixels": 5.7}},
    {"filter": "gone", "outcome": "hold", "sentence": "It may have a logo.", "scores": {"logo": 0.8}},
]


class TestQueue:
    def test_it_works(self, as_admin):
        """Everything that is known stands on the card."""
        here = wait(7, state="published").image
        likeness = {"grade": "same", "relation": "same", "evidence": "4 of 576 bits differ"}
        candidate = wait(
            1,
            title="Lake <b>one</b>",
            author="Ann",
            licence="CC0",
            page="https://example.org/post",
            verdicts=VERDICTS,
            likenesses=[likeness | {"image": 10**9}],
        )
        page = as_admin.get(QUEUE).content.decode()
        assert here is None
        for words in ("Lake &lt;b&gt;one&lt;/b&gt;", "Ann", "CC0", "lakes", "5.7", "It may have a logo.", "320 × 240"):
            assert words in page
        assert f'src="{QUEUE}{candidate.token}/thumbnail/"' in page
        assert 'href="https://example.org/post"' in page
        assert "<strong>1</strong> waiting" in page
        assert all(reason in page for reason in REASONS)

    def test_an_address_that_is_no_web_address_is_no_link(self, as_admin):
        wait(1, url="javascript:alert(1)")
        assert "javascript:" not in as_admin.get(QUEUE).content.decode()

    def test_orders(self, as_admin):
        for seed, megapixels in ((1, 5.0), (2, 1.5), (3, None)):
            scores = {} if megapixels is None else {"sameness": megapixels / 10}
            wait(seed, file=False, scores=scores, skips=seed == 1)
        assert shown(as_admin) == ["Lake 2", "Lake 3", "Lake 1"]
        assert shown(as_admin, "?sort=newest") == ["Lake 3", "Lake 2", "Lake 1"]
        assert shown(as_admin, "?sort=sameness-low") == ["Lake 2", "Lake 1", "Lake 3"]
        assert shown(as_admin, "?sort=sameness-high") == ["Lake 1", "Lake 2", "Lake 3"]
        assert shown(as_admin, "?sort=nonsense") == shown(as_admin)

    def test_the_least_certain_are_nearest_to_the_line(self, as_admin):
        own = a_source("own")
        own.cut_offs.create(score="sameness", value=0.9)
        for seed, value, source in ((1, 0.1, None), (2, 0.55, None), (3, 0.88, own)):
            wait(seed, file=False, scores={"sameness": value}, source=source)
        for sort in ("unsure", "sameness-unsure"):
            assert shown(as_admin, f"?sort={sort}") == ["Lake 3", "Lake 2", "Lake 1"]

    def test_sieve(self, as_admin):
        wait(1, file=False, source=a_source("other"), advice="pass")
        wait(2, file=False, advice="hold")
        wait(3, file=False, state="failed", reason="The server was away.")
        assert shown(as_admin, "?source=other") == ["Lake 1"]
        assert shown(as_admin, "?advice=hold") == ["Lake 2"]
        assert shown(as_admin, "?state=failed") == ["Lake 3"]
        page = as_admin.get(f"{QUEUE}?state=failed").content.decode()
        assert "The server was away." in page
        assert "Try again" in page

    @pytest.mark.parametrize("sort", ["oldest", "unsure"])
    def test_pages_hold_each_once(self, as_admin, monkeypatch, sort):
        monkeypatch.setattr(moderation_queue.page_of, "__defaults__", (2,))
        for seed in range(5):
            wait(seed, file=False, scores={"sameness": (seed // 2) / 3} if seed < 4 else {})
        found, address = [], f"{QUEUE}?sort={sort}"
        while address:
            context = as_admin.get(address, headers=HTMX).context
            found += [card.candidate.pk for card in context["cards"]]
            address = context["onward"] and f"{QUEUE}?sort={sort}&after={context['onward']}"
        assert len(found) == len(set(found)) == 5

    def test_addresses_that_make_no_sense(self, as_admin):
        wait(1, file=False)
        for query in (
            "after=x",
            "after=nan~1",
            "after=1~99999999999999999999",
            "decision=9999999999999999999",
            "state=%F0",
        ):
            assert as_admin.get(f"{QUEUE}?{query}").status_code == 200

    def test_without_any_it_says_where_they_come_from(self, as_admin):
        page = as_admin.get(QUEUE).content.decode()
        assert "Nothing has been found yet" in page
        assert "/admin/sources/" in page


class TestDecide:
    def test_it_works(self, as_admin):
        """One at once; the message can undo it."""
        candidate = wait(1)
        page = as_admin.post(
            f"{QUEUE}decide/", {"candidate": f"{candidate.token}.waiting", "action": "accept"}, follow=True
        )
        assert "Accepted 1 picture." in page.content.decode()
        assert states(candidate) == ["accepted"]
        as_admin.post(f"{QUEUE}log/{Decision.objects.get().pk}/undo/")
        assert states(candidate) == ["waiting"]

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"reject": "Poor quality", "words": ""}, "Poor quality"),
            ({"reject": "", "words": " too dark "}, "too dark"),
            ({"reject": ""}, ""),
        ],
    )
    def test_rejects_with_a_reason(self, as_admin, fields, reason):
        candidate = wait(1)
        decide(as_admin, candidate, **fields)
        assert states(candidate) == ["rejected"]
        assert Decision.objects.get().reason == reason

    def test_many_are_asked_for_with_their_number_first(self, as_admin):
        rows = [wait(seed, file=False) for seed in range(3)]
        page = decide(as_admin, *rows, reject="Offensive").content.decode()
        assert "Reject 3 pictures?" in page
        assert not Decision.objects.exists()
        page = decide(as_admin, *rows, reject="", words="Offensive", confirmed="1")
        assert page.status_code == 302
        assert states(*rows) == ["rejected"] * 3
        assert Decision.objects.get().note == "a selection of 3"

    def test_all_of_the_list_ends_where_the_page_ended(self, as_admin):
        rows = [wait(seed, file=False) for seed in range(3)]
        fields = {"all": "1", "until": rows[1].pk, "action": "accept", "confirmed": "1"}
        response = as_admin.post(f"{QUEUE}decide/", fields, headers=HTMX)
        assert response["HX-Refresh"] == "true"
        assert states(*rows) == ["accepted", "accepted", "waiting"]

    def test_what_somebody_else_has_decided_is_said(self, as_admin):
        candidate = wait(1)
        moderation.reject(some(candidate), person("alice"), "")
        response = decide(as_admin, candidate, action="accept", htmx=True)  # as it was shown: waiting
        assert response.status_code == 409
        assert "alice has decided already: it is rejected." in response.content.decode()
        assert f'data-gone="{candidate.token}"' in response.content.decode()
        assert states(candidate) == ["rejected"]
        assert decide(as_admin, candidate, action="accept").status_code == 409

    def test_htmx_gets_the_sentence_and_the_counts(self, as_admin):
        first, _second = wait(1), wait(2)
        words = decide(as_admin, first, action="skip", htmx=True).content.decode()
        assert "Put off 1 picture." in words
        assert "<strong>2</strong> waiting" in words
        assert f'data-gone="{first.token}"' in words
        back = as_admin.post(f"{QUEUE}undo/", headers=HTMX).content.decode()
        assert "Undone: put off 1 picture." in back
        assert f'id="c-{first.token}"' in back
        assert "There is nothing to undo" in as_admin.post(f"{QUEUE}undo/", headers=HTMX).content.decode()

    def test_refuses_what_makes_no_sense(self, as_admin):
        for fields in ({"action": "delete"}, {}, {"action": "accept"}, {"action": "accept", "candidate": "x.waiting"}):
            assert as_admin.post(f"{QUEUE}decide/", fields).status_code in (400, 410), fields

    def test_failed_ones_are_tried_again(self, as_admin):
        candidate = wait(1, file=False, state="failed")
        page = as_admin.post(
            f"{QUEUE}decide/", {"candidate": f"{candidate.token}.failed", "action": "again"}, follow=True
        )
        assert "Tried again 1 picture." in page.content.decode()
        assert states(candidate) == ["found"]


class TestOne:
    def test_it_works(self, as_admin, admin):
        """Large, with its history; a decision goes on to the next one."""
        first, second = wait(1, verdicts=VERDICTS), wait(2)
        moderation.undo(moderation.reject(some(first), admin, "Poor quality"), admin)
        address = f"{QUEUE}{first.token}/"
        page = as_admin.get(address).content.decode()
        for words in ("bob rejected it: Poor quality", "undone by bob", "It may have a logo.", f"{second.token}/?"):
            assert words in page
        response = decide(as_admin, first, action="accept", query="?from=page")
        assert response["Location"] == f"{QUEUE}{second.token}/?"
        assert as_admin.get(f"{QUEUE}nothing/").status_code == 404

    def test_its_picture_is_encoded_again(self, as_admin):
        candidate = wait(1)
        response = as_admin.get(f"{QUEUE}{candidate.token}/picture/")
        assert response["Content-Type"] == "image/webp"
        assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in response["Cache-Control"]
        assert decode(response.content).width == 320
        candidate.path.write_bytes(b"<script>")
        assert as_admin.get(f"{QUEUE}{candidate.token}/picture/").status_code == 404

    def test_without_a_file_the_thumbnail_is_shown(self, as_admin):
        candidate = wait(1, file=False, state="rejected")
        page = as_admin.get(f"{QUEUE}{candidate.token}/").content.decode()
        assert "only the thumbnail is kept" in page
        assert "Fetch it again" in page
        assert decode(as_admin.get(f"{QUEUE}{candidate.token}/thumbnail/").content).width == 64
        assert as_admin.get(f"{QUEUE}{wait(2, thumbnail=b'').token}/thumbnail/").status_code == 404


def test_the_log_undoes_what_others_have_decided(as_admin):
    candidate = wait(1)
    moderation.reject(some(candidate), person("alice"), "Offensive")
    log = as_admin.get(f"{QUEUE}log/").content.decode()
    assert "alice" in log
    assert "Offensive" in log
    assert "Nothing was decided yet" in as_admin.get(f"{QUEUE}log/?mine=1").content.decode()
    decision = Decision.objects.get()
    response = as_admin.post(f"{QUEUE}log/{decision.pk}/undo/?from=log")
    assert response["Location"] == f"{QUEUE}log/"
    assert states(candidate) == ["waiting"]
    assert as_admin.post(f"{QUEUE}log/{decision.pk}/undo/?from=log").status_code == 409
    assert as_admin.post(f"{QUEUE}log/999999/undo/").status_code == 410
    assert shown(as_admin, f"?decision={decision.pk}") == ["Lake 1"]


class TestVerdicts:
    def test_one_that_could_not_judge_says_no_more_than_that(self, as_admin):
        sentence = "There are no weights: put them into /srv/gallery/weights/watermark.safetensors."
        wait(1, verdicts=[{"filter": "watermark", "outcome": "pass", "scores": {}, "sentence": sentence}])
        wait(2, verdicts=[{"filter": "gone", "outcome": "pass", "facts": {"not_judged": True}, "sentence": sentence}])
        for card in as_admin.get(QUEUE).context["cards"]:
            assert [(ruling.word, ruling.sentence) for ruling in card.rulings] == [("not judged", SENTENCE)]
        assert "/srv/" not in as_admin.get(QUEUE).content.decode()

    def test_one_that_has_failed_stays_in_doubt(self, as_admin):
        wait(1, verdicts=[{"filter": "quality", "outcome": "hold", "scores": {}, "sentence": "It failed."}])
        (ruling,) = as_admin.get(QUEUE).context["cards"][0].rulings
        assert (ruling.word, ruling.sentence) == ("in doubt", "It failed.")

    def test_a_score_that_is_no_number_is_left_out(self, as_admin):
        """As JSON keeps what is none."""
        wait(1, verdicts=[{"filter": "novelty", "outcome": "pass", "scores": {"novelty": None, "likelihood": 0.5}}])
        (ruling,) = as_admin.get(QUEUE).context["cards"][0].rulings
        assert [bar.name for bar in ruling.bars] == ["likelihood"]

    def test_numbers_are_short(self):
        values = (0.7249, 12.44, 1840.2, 0.5, -0.001, 0.00001, 100.0, -3.456)
        assert [number(value) for value in values] == ["0.72", "12.4", "1,840", "0.5", "0", "0", "100", "-3.46"]


def test_more_sources_are_not_more_questions(as_admin, django_assert_max_num_queries):
    for seed in range(6):
        wait(seed, file=False, source=a_source(f"source {seed}"), scores={"sameness": 0.1})
        a_source(f"source {seed}").cut_offs.create(score="sameness", value=0.9)
    for query in ("", "?sort=unsure"):
        with django_assert_max_num_queries(18):
            as_admin.get(QUEUE + query)
