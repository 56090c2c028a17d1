"""Rejected pictures stay out: these bytes, and what certainly shows the same."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image as PillowImage

from gallery.pictures import decode
from ingestion import bans
from ingestion.bans import banned
from ingestion.models import Ban, Candidate, Source
from search.engines.phash import ENGINE
from tests.ingestion.scene import sql
from tests.pictures import encode, photo

pytestmark = pytest.mark.django_db


def phash(picture, **options):
    return ENGINE.extract(decode(encode(picture, **options)))


@pytest.fixture
def source(db):
    return Source.objects.create(name="a-source", kind="feed")


@pytest.fixture
def bring(source):
    def bring(picture, number=1):
        key = f"{number:064x}"
        return Candidate.objects.create(source=source, key=key, url="a", sha256=key, phash=phash(picture))

    return bring


def ban(candidate, by, reason):
    bans.ban([candidate], by, reason)
    return Ban.objects.get(candidate=candidate)


def test_it_works(bring, admin):
    made = ban(bring(photo(1)), admin, "not ours")
    assert (made.reason, made.by) == ("not ours", admin)
    assert banned(made.sha256) == made
    assert banned("f" * 64, phash(photo(1), quality=40)) == made
    assert banned("f" * 64, phash(photo(2))) is None


@pytest.mark.parametrize("turn", PillowImage.Transpose)
def test_it_stays_out_turned_and_mirrored(bring, turn):
    made = ban(bring(photo(1)), None, "")
    assert banned("", phash(photo(1).transpose(turn).resize((200, 200)))) == made


def test_it_may_come_again_when_the_ban_is_lifted(bring):
    candidate, other = bring(photo(1)), bring(photo(2), 2)
    ban(candidate, None, "")
    kept = ban(other, None, "")
    assert banned("", phash(photo(1)))
    assert bans.lift([candidate]) == 1
    assert bans.lift([candidate]) == 0
    assert banned(candidate.sha256, phash(photo(1))) is None
    assert banned("", phash(photo(2))) == kept


def test_banning_again_changes_why(bring, admin):
    candidate = bring(photo(1))
    assert ban(candidate, None, "a") == ban(candidate, admin, "b" * 900)
    assert (Ban.objects.get().reason, Ban.objects.get().by) == ("b" * 500, admin)


def test_what_is_plain_is_banned_by_its_bytes_only(bring):
    plain = PillowImage.new("RGB", (300, 200), "white")
    made = ban(bring(plain), None, "")
    assert banned("", phash(PillowImage.new("RGB", (200, 300), "ivory"))) is None
    assert banned(made.sha256, phash(plain)) == made


def test_nothing_known_is_nothing_banned(bring, source):
    candidate = Candidate.objects.create(source=source, key="0" * 64, url="a")
    ban(candidate, None, "it was never fetched")
    assert banned("", b"") is None
    assert banned("", b"short") is None


def test_hashes_are_read_once(bring):
    """Of many bans; after that only those that are new."""
    sql(
        "INSERT INTO ingestion_ban (sha256, phash, reason) SELECT md5(i::text), "
        "sha512(i::text::bytea) || substr(sha256(i::text::bytea), 1, 8) || '\\xff', '' FROM generate_series(1, 10000) i"
    )
    made = ban(bring(photo(1), 10**6), None, "")
    assert banned("", phash(photo(1))) == made  # reads them all, once
    asked = phash(photo(2))
    with CaptureQueriesContext(connection) as seen:
        assert banned("", asked) is None
    assert not [each for each in seen.captured_queries if '"phash"' in each["sql"]]
    later = ban(bring(photo(2), 10**6 + 1), None, "")
    assert banned("", asked) == later
