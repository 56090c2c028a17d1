"""Flickr, by a site that answers like its API (https://www.flickr.com/services/api/)."""

from __future__ import annotations

from typing import Any

import pytest

from ingestion.download import Web
from ingestion.sources import flickr
from ingestion.sources._base import Found, Page, SourceError, What
from tests.ingestion.crawler_contract import WebCrawlerContract
from tests.sites.site import Asked, Reply, Site

KEY = "0123456789abcdef0123456789abcdef"
START = 1_700_000_000
STATIC = "https://live.staticflickr.com"


def answered(**told: Any) -> Reply:
    return Reply(json=told | {"stat": "ok"})


def failed(code: int) -> Reply:
    return Reply(json={"stat": "fail", "code": code, "message": f"<b>{KEY}</b>"})


def a_photo(number: int, **told: Any) -> dict[str, Any]:
    return {
        "id": str(5_000 + number),
        "owner": "12345678@N00",
        "secret": "abcdef0123",
        "server": "65535",
        "farm": 66,
        "title": f"Walk {number}",
        "ispublic": 1,
        "license": "4",
        "dateupload": str(START + number // 3),
        "ownername": "Alice Springs",
        "pathalias": "alice",
        "media": "photo",
        "tags": "walk dawn",
        "url_o": f"{STATIC}/65535/{5_000 + number}_fedcba_o.jpg",
        "width_o": 4000,
        "height_o": "3000",
        "url_k": f"{STATIC}/65535/{5_000 + number}_abcdef0123_k.jpg",
        "width_k": 2048,
        "height_k": 1536,
    } | told


def search(photos: list[dict[str, Any]]) -> Any:
    """Newest first, up to max_upload_date, as photos.search does."""

    def reply(asked: Asked) -> Reply:
        least, most = int(asked.query.get("min_upload_date", 0)), int(asked.query.get("max_upload_date", 2**40))
        fit = [photo for photo in photos if least <= int(photo["dateupload"]) <= most]
        fit.sort(key=lambda photo: -int(photo["dateupload"]))
        shown = fit[: int(asked.query["per_page"])]
        return answered(photos={"page": 1, "pages": -(-len(fit) // 4), "total": len(fit), "photo": shown})

    return reply


class Flickr:
    """The API of the site: ``self.methods["photos.search"] = Asked -> Reply``."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.methods: dict[str, Any] = {}
        site.answer("/services/rest/", lambda asked: self.methods[asked.query["method"].removeprefix("flickr.")](asked))

    @property
    def asked(self) -> list[str]:
        return [asked.query["method"].removeprefix("flickr.") for asked in self.site.asked]


@pytest.fixture
def api(site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Flickr:
    settings.FLICKR_KEY = KEY
    monkeypatch.setattr(flickr, "API", f"{site.url}/services/rest/")
    monkeypatch.setattr(flickr, "A_PAGE", 4)
    return Flickr(site)


class TestFlickrContract(WebCrawlerContract):
    kind = "flickr"
    secrets = (KEY,)
    nonsense = [
        {"words": ""},
        {"address": "https://www.flickr.com/photos/alice/"},
        {"tags": ",".join("abcdefghijklmnopqrstu")},
        {"words": "", "address": "https://www.flickr.com/explore"},
        {"words": "", "address": "https://flic.kr/p/0OIl"},
        {"words": "", "address": "https://example.org/photos/alice/"},
    ]
    changed = [
        Reply(json={"photos": {"photo": []}}),
        answered(),
        answered(photos={"photo": {}}),
        answered(photos={"photo": [{"title": "no id"}]}),
        failed(100),
        failed(112),
        answered(photos={"photo": [{"id": "1"}]}),
        Reply(json=[1]),
        Reply(b"jsonFlickrApi({})"),
    ]

    def point(self, site: Site, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        monkeypatch.setattr(flickr, "API", f"{site.url}/services/rest/")
        monkeypatch.setattr(flickr, "A_PAGE", 4)
        settings.FLICKR_KEY = KEY
        self.api = Flickr(site)

    def address(self, number: int) -> str:
        return a_photo(number)["url_o"]

    def offer(self, count: int) -> dict[str, Any]:
        self.api.methods["photos.search"] = search([a_photo(number) for number in range(count)])
        return {"words": "walk", "tags": ""}

    def offer_words(self, words: str) -> dict[str, Any]:
        photo = a_photo(1, title=words, ownername=words, tags=words, pathalias=words)
        self.api.methods["photos.search"] = search([photo])
        return {"words": "walk"}


pytestmark = pytest.mark.django_db


def pages(since: dict[str, Any] | None = None, **options: Any) -> list[Page]:
    with Web() as web:
        return list(flickr.CRAWLER.crawl({"address": ""} | options, since or {}, web))


def crawl(**options: Any) -> list[Found]:
    return [one for page in pages(**options) for one in page.found]


def test_it_works(api: Flickr):
    api.methods["photos.search"] = search([a_photo(1), a_photo(2, media="video")])
    found, video = crawl(words="walk", tags="dawn, dew")
    assert video.what == What.VIDEO
    assert (found.url, found.width, found.height) == (f"{STATIC}/65535/5001_fedcba_o.jpg", 4000, 3000)
    assert found.others == (f"{STATIC}/65535/5001_abcdef0123_k.jpg",)
    assert (found.title, found.author, found.page) == (
        "Walk 1",
        "Alice Springs",
        "https://www.flickr.com/photos/alice/5001",
    )
    assert found.licence == "CC BY 2.0 https://creativecommons.org/licenses/by/2.0/"
    assert found.published
    assert int(found.published.timestamp()) == START
    query = api.site.asked[0].query
    assert (query["text"], query["tags"], query["tag_mode"]) == ("walk", "dawn, dew", "all")
    assert (query["api_key"], query["nojsoncallback"]) == (KEY, "1")


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ({"url_o": None}, f"{STATIC}/65535/5001_abcdef0123_k.jpg"),
        ({"url_6k": f"{STATIC}/6k.jpg", "width_6k": 6144, "height_6k": 4096}, f"{STATIC}/6k.jpg"),
        ({"url_o": None, "url_k": None}, f"{STATIC}/65535/5001_abcdef0123_b.jpg"),
        (
            {"url_o": None, "url_k": None, "originalsecret": "feed", "originalformat": "png"},
            f"{STATIC}/65535/5001_feed_o.png",
        ),
    ],
)
def test_the_best_size_is_taken(api: Flickr, told: dict[str, Any], url: str):
    api.methods["photos.search"] = search([a_photo(1, **told)])
    assert [found.url for found in crawl(words="walk")] == [url]


def test_licences_are_named_and_new_ones_asked_for_once(api: Flickr):
    api.methods["photos.search"] = search([a_photo(n, license=str(n)) for n in (0, 1, 7, 9, 10, 11, 12, 99)])
    told = [{"id": 11, "name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"}]
    told += [{"id": "12", "name": "CC BY-SA 4.0", "url": ""}, {"id": "0", "name": "Something else", "url": ""}]
    api.methods["photos.licenses.getInfo"] = lambda asked: answered(licenses={"license": told})
    named = {found.key: found.licence for found in crawl(words="walk")}
    assert named["5000"] == "All Rights Reserved"
    assert named["5001"].startswith("CC BY-NC-SA 2.0 https://creativecommons.org/licenses/by-nc-sa/2.0/")
    assert named["5007"].startswith("No known copyright restrictions")
    assert named["5009"].startswith("CC0 1.0 https://creativecommons.org/publicdomain/zero/1.0/")
    assert named["5011"] == "CC BY 4.0 https://creativecommons.org/licenses/by/4.0/"
    assert (named["5012"], named["5099"]) == ("CC BY-SA 4.0", "")
    assert api.asked.count("photos.licenses.getInfo") == 1
    free = {found.key for found in crawl(words="walk", only_free=True)}
    assert free == set(named) - {"5000", "5099"}


def test_more_photos_of_one_second_than_fit_a_page_do_not_hold_it_up(api: Flickr):
    photos = [a_photo(n, dateupload=START) for n in range(6)] + [a_photo(9, dateupload=START - 5)]
    api.methods["photos.search"] = search(photos)
    found = crawl(words="walk")
    assert {one.key for one in found} >= {"5000", "5009"}
    assert len(api.asked) == 3


def test_a_person_is_looked_up_by_name_once(api: Flickr):
    api.methods["urls.lookupUser"] = lambda asked: answered(user={"id": "12345678@N00"})
    api.methods["photos.search"] = search([a_photo(n) for n in range(5)])
    first, _ = pages(address="https://www.flickr.com/photos/alice/")
    assert api.site.asked[0].query["url"].endswith("/photos/alice/")
    assert api.site.asked[1].query["user_id"] == "12345678@N00"
    assert [found.key for page in pages(first.since, address="https://flickr.com/people/alice") for found in page.found]
    assert api.asked.count("urls.lookupUser") == 1


def test_a_group_is_read_by_the_time_at_which_photos_were_added(api: Flickr):
    pool = [a_photo(n, dateadded=str(START + n), dateupload="1") for n in reversed(range(6))]

    def reply(asked: Asked) -> Reply:
        start = (int(asked.query["page"]) - 1) * 4
        return answered(photos={"pages": -(-len(pool) // 4), "photo": pool[start : start + 4]})

    api.methods["groups.pools.getPhotos"] = reply
    read = pages(address="https://www.flickr.com/groups/1234@N20/")
    assert [len(page.found) for page in read] == [4, 2]
    pool.insert(0, a_photo(77, dateadded=str(START + 77), dateupload="0"))
    news = pages(read[-1].since, address="https://www.flickr.com/groups/1234@N20/")
    assert [found.key for page in news for found in page.found] == ["5077"]


def test_an_album_is_read_again_only_when_it_has_changed(api: Flickr):
    changed, photos = ["1"], [a_photo(n) for n in range(5)]
    for photo in photos:
        del photo["owner"], photo["pathalias"], photo["ownername"]

    def reply(asked: Asked) -> Reply:
        start = (int(asked.query["page"]) - 1) * 4
        told = {
            "id": "1",
            "pages": 2,
            "owner": "12345678@N00",
            "ownername": "Alice",
            "photo": photos[start : start + 4],
        }
        return answered(photoset=told)

    api.methods["photosets.getInfo"] = lambda asked: answered(photoset={"date_update": changed[0]})
    api.methods["photosets.getPhotos"] = reply
    album = "https://www.flickr.com/photos/alice/albums/72157600000000001"
    read = pages(address=album)
    assert [len(page.found) for page in read] == [4, 1]
    assert read[0].found[0].page == "https://www.flickr.com/photos/12345678@N00/5000"
    assert read[0].found[0].author == "Alice"
    assert pages(read[-1].since, address=album) == []
    changed[0] = "2"
    assert len(pages(read[-1].since, address=album)) == 2
    assert len(pages(read[0].since, address=album)) == 2, "its first page is another one by now"
    changed[0] = "1"
    assert len(pages(read[0].since, address=album)) == 1
    api.methods["photosets.getInfo"] = lambda asked: answered(photoset={})
    with pytest.raises(SourceError, match="not understood"):
        pages(read[-1].since, address=album)


@pytest.mark.parametrize("address", ["https://www.flickr.com/photos/alice/5001/in/pool", "https://flic.kr/p/2ue"])
def test_a_single_photo(api: Flickr, address: str):
    told = {
        "id": "5001",
        "server": "65535",
        "secret": "abcdef0123",
        "license": "9",
        "media": "photo",
        "dateuploaded": str(START),
        "owner": {"nsid": "12345678@N00", "username": "Alice", "path_alias": "alice"},
        "title": {"_content": "Walk"},
        "tags": {"tag": [{"_content": "dawn"}, {"_content": "dew"}]},
    }
    sizes = [
        {"label": "Medium 640", "width": 640, "height": 480, "source": f"{STATIC}/z.jpg", "media": "photo"},
        {"label": "Large 2048", "width": "2048", "height": "1536", "source": f"{STATIC}/k.jpg", "media": "photo"},
        {"label": "HD MP4", "width": 9999, "height": 9999, "source": f"{STATIC}/a.mp4", "media": "video"},
    ]
    api.methods["photos.getInfo"] = lambda asked: answered(photo=told)
    api.methods["photos.getSizes"] = lambda asked: answered(sizes={"size": sizes})
    (page,) = pages(address=address)
    (found,) = page.found
    assert api.site.asked[0].query["photo_id"] == "5001"
    assert (found.url, found.others, found.title) == (f"{STATIC}/k.jpg", (f"{STATIC}/z.jpg",), "Walk")
    assert (found.author, found.page) == ("Alice", "https://www.flickr.com/photos/alice/5001")
    assert found.more["tags"] == "dawn dew"
    assert pages(page.since, address=address) == []


@pytest.mark.parametrize(
    "address",
    ["https://live.staticflickr.com/65535/5001_abcdef0123_b.jpg", "https://farm9.static.flickr.com/1/5001_a1.jpg"],
)
def test_addresses_of_files_are_those_of_photos(address: str):
    assert flickr.place_of(address) == ("photo", "5001")


def test_links_to_photos_are_resolved(api: Flickr, settings: Any):
    link = "https://live.staticflickr.com/65535/5001_abcdef0123_b.jpg"
    sizes = [{"label": "Original", "width": 9, "height": 9, "source": f"{STATIC}/o.jpg"}]
    api.methods["photos.getInfo"] = lambda asked: answered(photo={"id": "5001", "license": "4"})
    api.methods["photos.getSizes"] = lambda asked: answered(sizes={"size": sizes})
    with Web() as web:
        (found,) = flickr.resolve(link, web) or []
        assert (found.url, found.licence[:9]) == (f"{STATIC}/o.jpg", "CC BY 2.0")
        api.methods["photos.getInfo"] = lambda asked: failed(1)
        assert [one.what for one in flickr.resolve(link, web) or []] == [What.REMOVED]
        api.methods["photos.getInfo"] = lambda asked: failed(100)
        assert flickr.resolve(link, web) is None
        api.methods["photos.getInfo"] = lambda asked: failed(105)
        with pytest.raises(SourceError):
            flickr.resolve(link, web)
        settings.FLICKR_KEY = ""
        assert flickr.resolve(link, web) is None
        assert flickr.resolve("https://example.org/a.jpg", web) is None


def test_a_page_that_is_short_is_not_the_last_one(api: Flickr):
    """Flickr takes out of a page what may not be shown, and does not fill it up."""
    whole = search([a_photo(n, dateupload=str(START + n)) for n in range(9)])

    def reply(asked: Asked) -> Reply:
        told = whole(asked)
        told.json["photos"]["photo"][1:2] = []
        return told

    api.methods["photos.search"] = reply
    assert len(crawl(words="walk")) == 9 - 3


def test_short_ids_are_decoded():
    assert flickr.from_base58("2") == 1
    assert flickr.from_base58("Z") == 57
    assert flickr.from_base58("21") == 58
    assert flickr.from_base58("2ptKzs2") == 53_478_945_937
    assert [flickr.from_base58(wrong) for wrong in ("", "0", "l", "I", "O", "ä", "1" * 13)] == [0] * 7
    assert flickr.place_of("https://flic.kr/s/21") == ("album", "58")


@pytest.mark.parametrize(
    ("code", "pauses", "again_after"), [(105, False, 600), (106, False, 600), (100, True, None), (2, True, None)]
)
def test_errors_are_told_by_their_codes(api: Flickr, code: int, pauses: bool, again_after: float | None):
    api.methods["photos.search"] = lambda asked: failed(code)
    with pytest.raises(SourceError) as caught:
        crawl(words="walk")
    assert (caught.value.pauses, caught.value.again_after) == (pauses, again_after)
    assert KEY not in str(caught.value)


def test_without_a_key_it_says_what_to_do(settings: Any):
    settings.FLICKR_KEY = ""
    with pytest.raises(SourceError, match="LOOKALIKE_FLICKR_KEY") as caught:
        crawl(words="walk")
    assert caught.value.pauses
