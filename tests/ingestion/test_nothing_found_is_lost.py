"""kill -9 at each step between a source and the gallery: nothing that was found is lost, and nothing comes twice."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path

from tests.ingestion.offering import KIND, RULES, Offer
from tests.ingestion.own_gallery import OwnGallery
from tests.sites.site import Reply

STEPS = (
    "commit crawling._take",
    "commit crawling._end",
    "commit known_urls._write",
    "rename candidate_files.keep",
    "write candidates.advance",
    "commit screening._decide",
    "rename originals.keep",
    "commit publishing._store",
)
"""All that lasts, from a page of the source to the image; what only claims or sets a pace is left out."""
KEPT = "('fetched', 'waiting', 'accepted', 'published')"


class Killed:
    def __init__(self, gallery: OwnGallery, host: str) -> None:
        program = str(Path(__file__).with_name("killed_mining.py"))
        self.process = gallery.start(program=(program,), LOOKALIKE_FETCH_HOSTS=host, LOOKALIKE_WORKERS="1")
        assert self._hear() == "ready", self.process.communicate()

    def _hear(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def run(self, kill: str = "") -> list[str]:
        """The steps that it has gone through; none if it was killed."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"kill": kill}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self._hear())
        assert answer["status"] == (-signal.SIGKILL if kill else 0), answer["said"]
        return answer["said"].splitlines()


def assert_rows_have_their_files(gallery: OwnGallery) -> None:
    media = gallery.var / "media"
    for token, sha256 in gallery.sql(f"SELECT token, sha256 FROM ingestion_candidate WHERE state IN {KEPT}"):
        assert hashlib.sha256((media / "candidates" / token[:2] / token).read_bytes()).hexdigest() == sha256
    for (sha256,) in gallery.sql("SELECT sha256 FROM gallery_image"):
        file = media / "originals" / sha256[:2] / sha256[2:4] / f"{sha256}.png"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == sha256


def assert_all_came_once(gallery: OwnGallery, count: int) -> None:
    assert gallery.sql("SELECT state, count(*) FROM ingestion_candidate GROUP BY state") == [("published", count)]
    titles = gallery.sql("SELECT title FROM gallery_imagesource ORDER BY image_id")
    assert sorted(titles) == sorted((f"Picture {seed}",) for seed in range(count))
    assert gallery.sql("SELECT count(*) FROM gallery_image") == [(count,)]
    assert gallery.sql("SELECT count(*) FROM ingestion_job") == [(count,)]
    assert gallery.sql("SELECT count(*) FROM ingestion_decision") == [(count,)]
    assert gallery.sql("SELECT sum(new) FROM ingestion_crawl") == [(count,)]
    assert gallery.sql("SELECT since->>'page', count(*) FROM ingestion_source GROUP BY 1") == [("1", count)]


def add_source(gallery: OwnGallery, offer: Offer, number: int) -> None:
    """With one page, which offers one picture."""
    site, told = offer.site, [offer.picture(number)]
    site.answer(f"/{number}", lambda asked: Reply(json={"found": told if asked.query["page"] == "0" else []}))
    options, rules = json.dumps({"url": f"{site.url}/{number}"}), json.dumps(RULES)
    gallery.sql(
        "INSERT INTO ingestion_source (name, kind, options, rules, active, publishes, every, budget, slowness, since,"
        f" paused_because) VALUES ('{number}', '{KIND}', '{options}', '{rules}', true, true, 60, 9, 1, '{{}}', '')"
    )


def test_killed_before_each_step_that_lasts(gallery, site):
    offer = Offer(site)
    killed = Killed(gallery, site.host)
    for number, step in enumerate(STEPS):
        add_source(gallery, offer, number)
        killed.run(step)
        assert_rows_have_their_files(gallery)
    add_source(gallery, offer, len(STEPS))
    steps = killed.run()
    print(f"\nmining: {len(STEPS)} kills, {len(STEPS) + 1} pictures, 0 lost, 0 twice")
    assert set(STEPS) <= set(steps)
    assert_rows_have_their_files(gallery)
    assert_all_came_once(gallery, len(STEPS) + 1)
