"""Why a picture was found: its page, one picture laid on the other, outlines on the query and on the image page."""

from __future__ import annotations

import io
import re
from contextlib import ExitStack
from datetime import timedelta

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.functions import Now
from PIL import Image, ImageOps

from gallery.models import Image as GalleryImage
from gallery.pictures import decode
from search import evidence, overlay, views
from search.engines import get_engine
from search.models import Feature, QueryPicture
from search.query import Query
from tests.pictures import encode, photo

pytestmark = pytest.mark.django_db(transaction=True)

HALF = (40, 20, 280, 200)
"""Of photo(seed): left, top, right, bottom."""


def asked(client, picture: Image.Image) -> str:
    """The address of the answer to a picture."""
    data = encode(picture, "PNG")
    return client.post("/search/", {"picture": SimpleUploadedFile("mine.png", data)})["Location"]


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def collage() -> Image.Image:
    """Four photographs of 320 x 240 in a frame."""
    paper = Image.new("RGB", (660, 500), "white")
    for at, seed in enumerate((1, 2, 3, 4)):
        paper.paste(photo(seed), (5 + at % 2 * 330, 5 + at // 2 * 250))
    return paper


def polygons(page: str, pk: int) -> np.ndarray:
    """Corners of the outline that belongs to an image, in units of the drawing."""
    (points,) = re.findall(
        rf'<a class="outline"[^>]*data-outline="{pk}".*?<polygon class="line" points="([^"]+)"', page
    )
    return np.array([corner.split(",") for corner in points.split()], float)


def box_of(corners: np.ndarray, width: int) -> np.ndarray:
    """left, top, right, bottom in pixels of a picture of this width that is drawn 1000 units wide."""
    return np.concatenate([corners.min(0), corners.max(0)]) * width / 1000


def test_it_works(client, add):
    image = add(1, "whole.jpg")
    address = asked(client, photo(1).crop(HALF))
    (link,) = set(re.findall(r'href="([^"]+/match/\d+/)"', text(client.get(address))))
    assert link == f"{address}match/{image.pk}/"
    page = client.get(link)
    assert page.status_code == 200
    for wanted in ("mine.png and whole.jpg", "matching points", "is a part of whole.jpg", "320 × 240", "240 × 180"):
        assert wanted in text(page)
    assert 'class="points"' in text(page)
    assert "is the larger one" in text(page)


def test_htmx_gets_the_partial(client, add):
    image = add(1)
    address = asked(client, photo(1).crop(HALF))
    partial = text(client.get(f"{address}match/{image.pk}/", headers={"HX-Request": "true"}))
    assert "<html" not in partial
    assert "matching points" in partial


def test_it_says_that_it_is_mirrored(client, add):
    image = add(1)
    address = asked(client, ImageOps.mirror(photo(1).crop(HALF)))
    assert "mirrored" in text(client.get(f"{address}match/{image.pk}/"))


def test_it_compares_two_pictures_of_the_gallery(client, add):
    whole, part = add(1, "whole.jpg"), add(photo(1).crop(HALF), "part.jpg")
    page = text(client.get(f"/search/like/{whole.pk}/match/{part.pk}/"))
    assert "whole.jpg contains part.jpg" in page
    assert client.get(f"/search/like/{whole.pk}/match/{part.pk}/warped.webp").status_code == 200


class TestLaidOnTheMatch:
    def opened(self, client, address: str) -> np.ndarray:
        response = client.get(address)
        assert (response.status_code, response["Content-Type"]) == (200, "image/webp")
        assert "no-store" in response["Cache-Control"]
        assert "private" in response["Cache-Control"]
        return np.asarray(Image.open(io.BytesIO(response.content)).convert("RGBA")).astype(int)

    @pytest.mark.parametrize(
        "change",
        [lambda p: p, ImageOps.mirror, lambda p: p.rotate(90, expand=True), lambda p: p.resize((480, 300))],
        ids=["as it is", "mirrored", "turned", "stretched"],
    )
    def test_it_works(self, client, add, change):
        image = add(1)
        address = asked(client, change(photo(1).crop(HALF)))
        warped = self.opened(client, f"{address}match/{image.pk}/warped.webp")
        original = np.asarray(photo(1)).astype(int)
        assert warped.shape[:2] == original.shape[:2]
        seen = warped[..., 3] > 250
        left, top, right, bottom = HALF
        assert abs(seen.sum() / ((right - left) * (bottom - top)) - 1) < 0.1
        assert seen[top + 8 : bottom - 8, left + 8 : right - 8].all()
        apart = np.abs(warped[..., :3] - original)[seen].mean()
        shifted = np.abs(np.roll(original, 4, 1) - original)[seen].mean()
        assert apart < 12
        assert apart < shifted

    def test_it_is_over_with_the_query(self, client, add):
        image = add(1)
        address = asked(client, photo(1).crop(HALF))
        QueryPicture.objects.update(expires_at=Now() - timedelta(seconds=1))
        for tail in ("", "warped.webp"):
            assert client.get(f"{address}match/{image.pk}/{tail}").status_code == 404

    def test_a_query_whose_file_is_gone_is_over(self, client, add):
        image = add(1)
        address = asked(client, photo(1).crop(HALF))
        QueryPicture.objects.get().path.unlink()
        for tail in ("", "warped.webp"):
            assert client.get(f"{address}match/{image.pk}/{tail}").status_code == 404

    def test_a_missing_rendition_is_said(self, client, add):
        image = add(1)
        address = asked(client, photo(1).crop(HALF))
        image.screen.path.unlink()
        response = client.get(f"{address}match/{image.pk}/warped.webp")
        assert response.status_code == 503
        assert "is missing or damaged" in text(response)


class TestKeptByBrowsers:
    """What is laid on each other from pictures of the gallery: it changes with them only."""

    @pytest.fixture
    def address(self, add) -> str:
        whole, part = add(1), add(photo(1).crop(HALF))
        return f"/search/like/{whole.pk}/match/{part.pk}/warped.webp"

    def test_it_works(self, client, address, monkeypatch):
        first = client.get(address)
        assert set(first["Cache-Control"].split(", ")) == {"private", "max-age=3600"}
        monkeypatch.setattr(evidence, "alignment", lambda *args: pytest.fail("It was proven again."))
        again = client.get(address, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert (again["ETag"], again["Cache-Control"]) == (first["ETag"], first["Cache-Control"])

    @pytest.mark.parametrize(
        "newer", [lambda: (overlay, "VERSION"), lambda: (get_engine("local_features").encoder, "version")]
    )
    def test_newer_code_makes_it_again(self, client, address, monkeypatch, newer):
        before = client.get(address)["ETag"]
        where, name = newer()
        monkeypatch.setattr(where, name, 99)
        Feature.objects.filter(engine="local_features").update(version=get_engine("local_features").version)
        response = client.get(address, headers={"If-None-Match": before})
        assert response.status_code == 200
        assert response["ETag"] != before

    def test_each_has_its_own(self, client, address):
        turned = re.sub(r"like/(\d+)/match/(\d+)", r"like/\2/match/\1", address)
        assert client.get(address)["ETag"] != client.get(turned)["ETag"]

    def test_what_is_hidden_meanwhile_is_not_confirmed(self, client, address):
        known = client.get(address)["ETag"]
        GalleryImage.objects.update(state="new")
        assert client.get(address, headers={"If-None-Match": known}).status_code == 404

    def test_a_refusal_is_not_kept(self, client, address):
        Feature.objects.filter(engine="local_features").delete()
        response = client.get(address)
        assert response.status_code == 404
        assert not {"ETag", "Cache-Control"} & set(response.headers)


class TestManyAtOnce:
    @pytest.mark.parametrize("tail", ["", "warped.webp"])
    def test_who_waits_too_long_is_asked_to_come_again(self, client, add, monkeypatch, tail):
        whole, part = add(1), add(photo(1).crop(HALF))
        address = f"/search/like/{whole.pk}/match/{part.pk}/{tail}"
        monkeypatch.setattr(evidence, "_PATIENCE", 0.01)
        with ExitStack() as turns:
            for _ in range(evidence.AT_ONCE):
                turns.enter_context(evidence.in_turn())
            response = client.get(address)
            assert (response.status_code, response["Retry-After"]) == (503, "5")
            assert "Try again in a moment" in text(response)
        assert client.get(address).status_code == 200

    def test_a_refusal_ends_the_turn(self, client, add):
        first, second = add(1), add(2)
        for _ in range(evidence.AT_ONCE + 1):
            assert client.get(f"/search/like/{first.pk}/match/{second.pk}/warped.webp").status_code == 404


def test_what_is_stored_proves_what_the_picture_does_not(add):
    """The strips ask with the stored feature alone, and link to the evidence."""
    whole, part = add(1), add(photo(1).crop(HALF))
    other = decode(encode(photo(2)))
    assert evidence.alignment(Query(picture=other), part) is None
    assert evidence.alignment(Query(picture=other, image_id=whole.pk), part).relation == "whole"


@pytest.mark.parametrize(
    ("address", "words"), [("/image/{}/", "show outlines"), ("/search/like/{}/", "open the picture that is focused")]
)
def test_the_list_of_keys_says_what_o_does(client, add, address, words):
    page = text(client.get(address.format(add(1).pk)))
    assert f"<dt><kbd>o</kbd></dt><dd>{words}</dd>" in page


@pytest.mark.parametrize("tail", ["", "warped.webp"])
class TestWhatCannotBeShown:
    def test_it_says_when_nothing_is_proven(self, client, add, tail):
        first, second = add(1), add(2)
        for address in (asked(client, photo(1)), f"/search/like/{first.pk}/"):
            response = client.get(f"{address}match/{second.pk}/{tail}")
            assert response.status_code == 404
            assert "share no place that could be proven" in text(response)

    def test_it_says_when_a_picture_is_not_known_yet(self, client, add, tail):
        image = add(1)
        address = asked(client, photo(1))
        Feature.objects.filter(engine="local_features").delete()
        response = client.get(f"{address}match/{image.pk}/{tail}")
        assert response.status_code == 404
        assert "knows nothing yet" in text(response)

    def test_it_says_when_a_feature_is_damaged(self, client, add, tail):
        image = add(1)
        address = asked(client, photo(1))
        Feature.objects.filter(engine="local_features").update(data=b"\1" * 500)
        response = client.get(f"{address}match/{image.pk}/{tail}")
        assert response.status_code == 503
        assert "damaged" in text(response)

    @pytest.mark.parametrize("pk", [99999, 2**63, 2**64])
    def test_rejects_unknown_pictures(self, client, add, tail, pk):
        image = add(1)
        for address in (asked(client, photo(1)), f"/search/like/{image.pk}/"):
            assert client.get(f"{address}match/{pk}/{tail}").status_code == 404
        assert client.get(f"/search/like/{pk}/match/{image.pk}/{tail}").status_code == 404
        assert client.get(f"/search/q/nobody/match/{image.pk}/{tail}").status_code == 404

    def test_what_only_staff_sees_is_hidden(self, client, as_admin, add, tail):
        image = add(1)
        address = asked(client, photo(1))
        GalleryImage.objects.filter(pk=image.pk).update(state="new")
        assert client.get(f"{address}match/{image.pk}/{tail}").status_code == 404
        assert as_admin.get(f"{address}match/{image.pk}/{tail}").status_code == 200


class TestOutlinesOnTheQuery:
    def test_it_works(self, client, add):
        """A collage lists each picture that it was made of, with its place."""
        images = [add(seed) for seed in (1, 2, 3, 4)]
        page = text(client.get(asked(client, collage())))
        assert "These are parts of your picture" in page
        for at, image in enumerate(images):
            x, y = 5 + at % 2 * 330, 5 + at // 2 * 250
            box = box_of(polygons(page, image.pk), 660)
            assert np.abs(box - (x, y, x + 320, y + 240)).max() < 0.03 * 660
            assert f'href="#match-{image.pk}"' in page
            assert f'id="match-{image.pk}"' in page
        assert len(set(re.findall(r"<text [^>]*>(\d+)</text>", page))) == 4

    def test_a_part_is_outlined_on_its_original(self, client, add):
        image = add(1)
        page = text(client.get(asked(client, photo(1).crop(HALF))))
        assert "Your picture is a part of this one" in page
        (points,) = re.findall(r'class="on-match".*?<polygon class="line" points="([^"]+)"', page)
        box = box_of(np.array([corner.split(",") for corner in points.split()], float), image.width)
        assert np.abs(box - HALF).max() < 0.03 * 320
        assert 'class="outlines"' not in page

    def test_more_than_twelve_are_shown_on_demand(self, client, add):
        for quality in range(60, 88, 2):
            add(photo(1).crop(HALF), quality=quality)
        page = text(client.get(asked(client, photo(1))))
        outlines = re.findall(r'<a class="(outline[^"]*)"', page)
        assert len(outlines) > 12
        assert outlines.count("outline") == 12
        assert "All of them" in page

    def test_it_does_not_call_a_part_no_copy(self, client, add):
        add(1)
        assert "No copy" not in text(client.get(asked(client, photo(1).crop(HALF))))

    def test_colours_have_no_evidence(self, client, add):
        add(1)
        page = text(client.get("/search/colours/?c=808080"))
        assert "/match/" not in page


class TestStrips:
    def test_it_works(self, client, add):
        """From an image to its parts, and from a part to what it is a part of."""
        whole, part, copy = add(1), add(photo(1).crop(HALF)), add(photo(1), quality=40)
        page = text(client.get(f"/search/strips/{whole.pk}/"))
        assert "1 picture is a part of this one" in page
        assert "Same picture" in page
        assert f'href="/image/{copy.pk}/"' in page
        assert f'href="/search/like/{whole.pk}/match/{part.pk}/"' in page
        assert np.abs(box_of(polygons(page, part.pk), 320) - HALF).max() < 0.03 * 320
        page = text(client.get(f"/search/strips/{part.pk}/"))
        assert "This is a part of 2 pictures" in page

    def test_htmx_gets_the_strips_and_the_outlines_for_the_stage(self, client, add):
        whole, part = add(1), add(photo(1).crop(HALF))
        partial = text(client.get(f"/search/strips/{whole.pk}/", headers={"HX-Request": "true"}))
        assert "<html" not in partial
        assert 'id="stage-outlines" hx-swap-oob="true"' in partial
        assert f'data-outline="{part.pk}"' in partial
        assert f'href="/image/{part.pk}/"' in partial

    def test_the_engines_are_asked_once_for_all_strips(self, client, add, monkeypatch):
        image, calls = add(1), []
        retrieve = views.retrieve
        monkeypatch.setattr(views, "retrieve", lambda *args, **options: calls.append(1) or retrieve(*args, **options))
        assert client.get(f"/search/strips/{image.pk}/").status_code == 200
        assert len(calls) == 1
        page = text(client.get(f"/image/{image.pk}/"))
        assert re.findall(r'hx-get="([^"]+)"', page) == [f"/search/strips/{image.pk}/"]
        assert f'<a class="button" href="/search/strips/{image.pk}/">' in page  # without JavaScript

    def test_a_picture_without_anything_has_a_short_line(self, client, add):
        page = text(client.get(f"/search/strips/{add(1).pk}/"))
        assert "No copy of it, and no part, is in the gallery." in page
        assert "Nothing else looks much like it." in page

    def test_rejects_unknown_pictures(self, client, db):
        for pk in (99999, 2**63, 2**64):
            assert client.get(f"/search/strips/{pk}/").status_code == 404

    def test_what_is_hidden_is_in_no_strip(self, client, add):
        whole, part = add(1), add(photo(1).crop(HALF))
        GalleryImage.objects.filter(pk=part.pk).update(state="new")
        assert f"/image/{part.pk}/" not in text(client.get(f"/search/strips/{whole.pk}/"))
