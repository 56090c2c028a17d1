"""One box: words in one ranked list, operators to the letter, mistakes explained, nothing empty without a reason."""

import io
import json
import re
from datetime import UTC, datetime
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.utils.http import urlencode

from gallery.models import Caption, Image, ImageTag, OcrText, Tag
from gallery.paging import ORDERS
from search import lexical, retrieval
from search.errors import EngineError
from search.ocr_words import index_images
from tests.gallery.made import rows
from tests.search.doubles import text


def made(name: str, caption: str = "", tags: str = "", ocr: str = "", **fields: object) -> Image:
    number = Image.objects.count() + 1
    image = Image.objects.create(
        sha256=f"{number:064x}",
        name=name,
        bytes=9,
        format="JPEG",
        state="ready",
        **({"width": 800, "height": 600} | fields),
    )
    if caption:
        Caption.objects.create(image=image, text=caption)
    for tag in filter(None, tags.split(",")):
        ImageTag.objects.create(image=image, tag=Tag.objects.get_or_create(name=tag)[0])
    if ocr:
        OcrText.objects.create(image=image, text=ocr)
        index_images([image.pk])
    return image


@pytest.fixture
def gallery(db):
    made("one.jpg", caption="A sunset over the sea", tags="sea,evening")
    made("two.jpg", caption="A forest in winter", tags="forest,winter", width=2000)
    made("three.jpg", caption="A field", tags="field,winter")
    made("four.jpg", ocr="SECURITY ENTRANCE")
    made("sunset five.jpg", tags="artist:shishkin")


def search(client, q, **params):
    return client.get("/search/", {"q": q} | params)


def names(response) -> list[str]:
    return re.findall(r'<span class="name"[^>]*>([^<]*)</span>', response.content.decode())


def marks(response) -> list[str]:
    parts = response.content.decode().split('<span class="why mark-')[1:]
    lines = [re.split(r'<span class="why|\n', part.partition(">")[2])[0] for part in parts]
    return [re.sub(r"</?span[^>]*>", "", line).strip() for line in lines]


def links(response) -> list[str]:
    return [unescape(each) for each in re.findall(r'href="([^"]*)"', response.content.decode())]


def test_it_works(client, gallery):
    response = search(client, "sunset")
    assert response.status_code == 200
    assert names(response) == ["sunset five.jpg", "one.jpg"]
    assert marks(response) == ["title: <mark>sunset</mark> five.jpg", "caption: A <mark>sunset</mark> over the sea"]
    assert "All 2 with this word, newest first" in text(response)
    (letter,) = [link for link in links(response) if "%28sunset%29" in link]
    assert names(client.get(letter)) == ["sunset five.jpg", "one.jpg"]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("winter&&(forest||field)", ["three.jpg", "two.jpg"]),
        ("winter, -forest", ["three.jpg"]),
        ("winter&&!(forest||sea)", ["three.jpg"]),
        ("winter,width>1000", ["two.jpg"]),
        ("artist:shishkin", ["sunset five.jpg"]),
        ("tag:w*", ["three.jpg", "two.jpg"]),
        ("has:caption sort:oldest", ["one.jpg", "two.jpg", "three.jpg"]),
        ("has:caption limit:2", ["three.jpg", "two.jpg"]),
        ("sort:oldest limit:1", ["one.jpg"]),
    ],
)
def test_operators_are_answered_to_the_letter_newest_first(client, gallery, q, found):
    response = search(client, q)
    assert response.status_code == 200
    assert names(response) == found
    assert f"{len(found)} picture" in text(response)


def test_the_rest_of_plain_speech_is_a_filter(client, gallery):
    assert names(search(client, "winter width>1000")) == ["two.jpg"]
    assert names(search(client, "winter -forest")) == ["three.jpg"]
    assert names(search(client, "winter", side="601")) == []
    page = search(client, "winter -forest tag:field")
    assert names(page) == ["three.jpg"]
    chips = [parse_qs(urlsplit(link).query).get("q") for link in links(page)]
    assert ["winter tag:field"] in chips
    assert ["winter !forest"] in chips


def test_filters_join_the_query_and_can_stand_alone(client, gallery):
    assert names(search(client, "tag:winter && width>1", side="600")) == ["three.jpg", "two.jpg"]
    assert names(client.get("/search/", {"tag": "sea"})) == ["one.jpg"]
    empty = search(client, "tag:winter && width>1", side="700")
    assert names(empty) == []
    assert "none of them passes the filters" in text(empty)


def test_what_is_misspelt_in_a_picture_is_found_and_said(client, gallery):
    for q in ("sekurity", "ocr:sekurity"):
        response = search(client, q)
        assert names(response) == ["four.jpg"]
        assert marks(response) == ["in the picture: <mark>SECURITY</mark> (you wrote sekurity)"]


def test_a_mistake_is_pointed_at_and_nothing_is_lost(client, gallery):
    response = search(client, "winter && (forest", side="600")
    assert response.status_code == 400
    page = response.content.decode()
    assert 'value="winter &amp;&amp; (forest"' in page
    assert 'winter &amp;&amp; <span class="wrong">(</span>forest' in page
    (meant,) = [link for link in links(response) if "%28forest%29" in link]
    assert "side=600" in meant
    assert names(client.get(meant.replace("&side=600", ""))) == ["two.jpg"]


def test_an_empty_answer_says_why(client, gallery):
    response = search(client, "winter && forst")
    assert response.status_code == 200
    page = text(response)
    assert "No picture is like that" in page
    assert "forst" in page
    assert any("forest" in link for link in links(response))
    plain = search(client, "forst")
    assert "No tag, title, caption or source has this word" in text(plain)
    assert any("q=forest" in link or "q=%28forest%29" in link for link in links(plain))


def test_it_says_how_a_query_was_read(client, gallery):
    page = search(client, "winter,-forest")
    assert "Read as: winter &amp;&amp; !forest" in text(page)
    assert "Read as" not in text(search(client, "winter"))
    assert "Only the first 1,000 characters were read" in text(search(client, "sunset " * 300))


def test_a_list_goes_on_without_end(client, db, settings):
    settings.PAGE_SIZE = 4
    ids = rows(10)
    seen, address, count = [], "/search/?q=width%3E1", ""
    while address:
        response = client.get(address, headers={"HX-Request": "true"} if seen else {})
        count = count or text(response)
        seen += [int(pk) for pk in re.findall(r'data-select="(\d+)"', response.content.decode())]
        onward = re.search(r'rel="next" href="([^"]*)"', response.content.decode())
        address = unescape(onward[1]) if onward else ""
    assert seen == sorted(ids, reverse=True)
    assert "10 pictures" in count
    assert client.get("/search/?q=width%3E1&after=x").status_code == 400


def test_orders_can_be_chosen(client, gallery):
    assert names(search(client, "tag:winter", sort="oldest")) == ["two.jpg", "three.jpg"]
    assert names(search(client, "tag:winter", sort="largest")) == ["two.jpg", "three.jpg"]
    assert names(search(client, "tag:winter sort:oldest", sort="newest")) == ["three.jpg", "two.jpg"]
    shuffled = search(client, "tag:winter", sort="random")
    assert shuffled.status_code == 302
    assert "seed=" in shuffled["Location"]
    assert sorted(names(client.get(shuffled["Location"]))) == ["three.jpg", "two.jpg"]
    assert names(search(client, "winter sort:oldest")) == ["two.jpg", "three.jpg"]
    assert names(search(client, "winter sort:oldest limit:1")) == ["two.jpg"]
    assert search(client, "tag:winter", sort="sideways").status_code == 400


def test_every_order_is_kept_beside_plain_words(client, db):
    sizes = {"a.jpg": (300, 900), "b.jpg": (200, 200), "c.jpg": (900, 100)}
    for number, (name, (width, height)) in enumerate(sizes.items()):
        taken = datetime(2024, 5, 3 - number, tzinfo=UTC)
        image = made(name, caption="a boat", width=width, height=height, taken_at=taken)
        Image.objects.filter(pk=image.pk).update(bytes=(6, 5, 8)[number])
    asked = {sort: "".join(name[0] for name in names(search(client, f"boat sort:{sort}"))) for sort in ORDERS}
    shuffled = asked.pop("random")
    assert sorted(shuffled) == ["a", "b", "c"]
    assert asked == {
        **{"newest": "cba", "oldest": "abc", "largest": "acb", "smallest": "bca", "widest": "cab", "tallest": "abc"},
        **{"heaviest": "cab", "lightest": "bac", "taken": "abc", "earliest": "cba"},
    }
    assert "aria-current" in search(client, "boat sort:widest").content.decode().partition("Widest</a>")[0][-60:]
    assert "limit:5000 cannot be kept" in text(search(client, "boat limit:5000"))
    assert "cannot be kept" not in text(search(client, "boat limit:1000"))
    assert "has no best" in text(search(client, "width>1 sort:relevance"))


def test_a_shuffle_goes_on_over_pages(client, db, settings):
    settings.PAGE_SIZE = 5
    Caption.objects.bulk_create([Caption(image_id=pk, text="a boat") for pk in rows(10)])
    first = search(client, "boat", sort="random")
    onward = unescape(re.search(r'rel="next" href="([^"]*)"', first.content.decode())[1])
    seen = [set(re.findall(r'data-select="(\d+)"', page.content.decode())) for page in (first, client.get(onward))]
    assert len(seen[0] | seen[1]) == 10


def test_what_is_too_long_to_be_written_again_has_no_link(client, gallery):
    chips = search(client, ",".join(["tag:abcdefg"] * 80)).content.decode().partition('aria-label="What is asked')[2]
    assert chips.count('<span class="chip mono">tag:abcdefg') == 80
    assert "/search/?q=" not in chips.partition("</ul>")[0]


def test_a_file_is_found_by_its_name(client, gallery):
    for asked in ('title:"sunset five.jpg"', '"sunset five.jpg" tag:artist:shishkin', "title:two.jpg"):
        assert len(names(search(client, asked))) == 1


def test_what_only_meaning_can_take_away_is_said(client, gallery):
    response = search(client, "~winter")
    assert response.status_code == 400
    assert "Write -winter to leave out all pictures with the word." in text(response)


def test_words_too_common_are_said_to_be(client, gallery):
    assert "“the” is too common a word to be looked for." in text(search(client, "the && winter"))


def test_what_is_misspelt_beside_what_is_not_is_marked(client, gallery):
    made("six.jpg", ocr="GOOD MORNING")
    assert "<mark>MORNING</mark>" in " ".join(marks(search(client, "good mornin")))
    assert "(you wrote mornin)" in text(search(client, "good mornin"))


def test_one_is_no_plural(client, gallery):
    assert "The one picture with these words" in text(search(client, "sunset sea"))


def test_a_word_of_very_many_pictures_leads_to_all_of_them(client, db, monkeypatch):
    monkeypatch.setattr(lexical, "NEWEST", 5)
    Caption.objects.bulk_create([Caption(image_id=pk, text="a boat") for pk in rows(9)])
    page = text(search(client, "boat"))
    assert "Only the newest 5 of the pictures with this word were compared." in page
    assert "All 9 with this word, newest first" in page


def test_weaker_ones_say_what_they_lack(client, gallery):
    response = search(client, "sunset winter", weak="1")
    assert set(names(response)) == {"one.jpg", "two.jpg", "three.jpg", "sunset five.jpg"}
    assert "not: winter" in text(response)


HOSTILE = [
    "",
    " ",
    "a" * 10_000,
    "(" * 5_000,
    ")" * 50,
    "(((((a" * 100,
    "a " * 5_000,
    '"unbalanced',
    '""',
    "&& || !",
    "!",
    "-",
    "~",
    "!!!!a",
    ",,,,",
    "a\0b",
    "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    "🙂👨‍👩‍👧",
    "\u202eabc\u202d",
    "مرحبا بالعالم",
    "'; DROP TABLE gallery_image; --",
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "<b>sunset</b>",
    "{{ settings.SECRET_KEY }} {% debug %}",
    "width>100 width<10",
    "tag:a && !tag:a",
    "width>99999999999999999999",
    "width>-1",
    "date:2024-13-45",
    "similar:99999999999999999999",
    "similar:0",
    "limit:0",
    "limit:9999999",
    "sort:",
    "confidence>2",
    "ocr:%",
    "ocr:🙂",
    "caption:\\",
    "x:y:z:",
    "*",
    "a*b*c*",
    "?",
    "%_%",
    "\\",
    "'",
    "score.x>1",
    "colour:nocolour",
    "is:", "has:nothing",
    "a:*' | 'b",
]  # fmt: skip


@pytest.mark.parametrize("q", HOSTILE, ids=lambda q: ascii(q[:20]))
def test_whatever_is_written_is_answered_or_explained(client, gallery, q):
    response = search(client, q)
    assert response.status_code in (200, 400)
    page = response.content.decode()
    assert "<script>alert" not in page
    assert "<b>sunset" not in page
    words = text(response)
    if response.status_code == 400:
        assert 'role="alert"' in page
        assert 'class="wrong"' in page
    elif q.strip() and not names(response):
        assert re.search("Nothing here fits that|No picture is like that|What to find", words)
    assert client.get("/search/", {"q": q, "sort": "oldest", "weak": "1", "page": "2"}).status_code < 500


def test_bytes_that_are_no_text_do_no_harm(client, gallery):
    for query in ("q=%ff%fe", "q=%ed%a0%80", "q=%00", "q=a&q=b", "q=a&after=%00", "q[]=a"):
        assert client.get(f"/search/?{query}").status_code in (200, 400)


class TestCommand:
    def run(self, *arguments: str) -> tuple[str, str]:
        out, err = io.StringIO(), io.StringIO()
        call_command("search", *arguments, stdout=out, stderr=err)
        return out.getvalue(), err.getvalue()

    def test_it_works(self, gallery):
        out, err = self.run("--text", "sunset")
        assert [line.split("  ")[-2] for line in out.splitlines()] == ["sunset five.jpg", "one.jpg"]
        assert "caption: A sunset over the sea" in out
        assert "Only words were looked up" in err
        assert not re.search("/|no weights", self.run("--text", "unicorn")[1].replace("weights list", ""))

    def test_it_lists_to_the_letter(self, gallery):
        out, err = self.run("--text", "tag:winter || tag:sea sort:oldest", "--limit", "2", "--json")
        found = json.loads(out)
        assert [one["file"] for one in found] == ["one.jpg", "two.jpg"]
        assert found[0]["matched"] == [{"field": "tag", "text": "sea"}]
        assert "3 pictures are like that" in err
        assert "limit" not in self.run("--text", "tag:winter limit:1")[1]

    def test_it_says_which_field_matched(self, gallery):
        out, _ = self.run("--text", "sekurity", "--json")
        ((mark,),) = [one["matched"] for one in json.loads(out)]
        assert mark == {"field": "ocr", "text": "SECURITY", "wrote": "sekurity"}

    def test_it_points_at_a_mistake(self, gallery):
        with pytest.raises(CommandError) as failure:
            self.run("--text", "winter && (forest")
        sentence, query, caret, meant = str(failure.value).splitlines()
        assert sentence.endswith(".")
        assert query.index("(") == caret.index("^")
        assert meant == "Did you mean: winter && (forest)"

    def test_it_says_why_nothing_was_found(self, gallery):
        out, err = self.run("--text", "tag:forst")
        assert out == "No picture is like that.\n"
        assert "forest" in err


def test_a_picture_takes_the_rest_as_a_filter(client, add):
    first, _, third = (add(1, name=f"{name}.jpg", quality=q) for name, q in (("a", 90), ("b", 50), ("c", 40)))
    ImageTag.objects.create(image=third, tag=Tag.objects.create(name="kept"))
    address = f"/search/like/{first.pk}/"
    assert sorted(names(client.get(address))) == ["b.jpg", "c.jpg"]
    for q in ("tag:kept", "tag:kept && width>1"):
        assert names(client.get(f"{address}?{urlencode({'q': q})}")) == ["c.jpg"]
    broken = client.get(f"{address}?{urlencode({'q': '(kept'})}")
    assert broken.status_code == 400
    assert sorted(names(broken)) == ["b.jpg", "c.jpg"]
    assert 'class="wrong"' in broken.content.decode()


def test_what_fails_is_said_and_the_rest_answers(client, gallery, monkeypatch):
    def refuse(*args):
        raise EngineError("Words: no answer within 3 seconds.")

    monkeypatch.setattr(retrieval.misspelt, "find_misspelt", refuse)
    response = search(client, "sunset")
    assert names(response) == ["sunset five.jpg", "one.jpg"]
    assert "no answer within 3 seconds" in text(response)


def test_a_query_that_is_shuffled_leads_to_its_shuffle(client, gallery):
    response = client.get("/search/", {"q": "width>1 && width>2 sort:random"}, follow=True)  # raises if it never ends
    assert response.status_code == 200
    assert "seed=" in response.request["QUERY_STRING"]
    assert len(names(response)) == 5
