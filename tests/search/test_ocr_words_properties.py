"""What holds of the words in pictures whatever is written, changed and asked."""

from __future__ import annotations

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from gallery.models import Image, OcrText, Opinion
from search.models import OcrPosting, OcrWord
from search.ocr_words import forget_unused, index_images, ocr_condition, ocr_hits, sweep
from search.phonetic import words_kept
from tests.gallery.made import rows

quick = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=5, max_size=12)
TEXTS = st.lists(st.sampled_from(["security", "EXIT", "harbour", "москва", "", "2024", "東京"]), max_size=4).map(
    " ".join
)
EDITS = st.sampled_from(["insert", "delete", "replace", "swap"])
STEPS = st.sampled_from(["write", "rewrite", "reject", "accept", "delete", "move", "purge", "index", "sweep", "forget"])


def found(text: str, phrase: bool = False) -> set[int]:
    return set(Image.objects.filter(ocr_condition(text, phrase)).values_list("pk", flat=True))


class Asked(TestCase):
    @quick
    @given(st.one_of(st.text(st.characters(codec=None), max_size=1000), st.text("*ab %_'\"\\東א\0😀", max_size=1000)))
    def test_anything_gets_an_answer(self, text):
        OcrText.objects.create(image_id=rows(1)[0], text="security ab 東京")
        sweep()
        for phrase in (False, True):
            assert isinstance(found(text, phrase), set)
        assert all(0 < hit.score <= 1 for hit in ocr_hits(text, 5))

    @quick
    @given(
        WORDS, st.integers(0, 20), st.sampled_from("aeqxz"), st.sampled_from(["insert", "delete", "replace", "swap"])
    )
    def test_one_edit_does_not_hide_a_word(self, word, place, letter, edit):
        place %= len(word)
        rest = word[place + 1 :]
        middle = {
            "insert": letter + word[place] + rest,
            "delete": rest,
            "replace": letter + rest,
            "swap": rest[:1] + word[place] + rest[1:],
        }
        image_id = rows(1)[0]
        OcrText.objects.create(image_id=image_id, text=f"in a {word} once")
        index_images([image_id])
        asked = word[:place] + middle[edit]
        assert found(asked) >= {image_id}
        assert word in next(hit.words for hit in ocr_hits(asked, 100) if hit.image_id == image_id)


class Kept(TestCase):
    @quick
    @given(st.lists(st.tuples(STEPS, st.integers(0, 2), TEXTS), max_size=12))
    def test_postings_are_what_the_rows_say(self, steps):
        images = rows(3)
        for (step, which, text), number in zip(steps, itertools.count()):
            take(step, images, which, text, number)
            shown = set(OcrText.objects.filter(shown=True).values_list("pk", "image_id"))
            assert set(OcrPosting.objects.filter(shown=True).values_list("pk", "image_id")) == shown
        sweep()
        written = {
            (pk, image_id): [word for _, word in words_kept(text)]
            for pk, image_id, text in OcrText.objects.values_list("pk", "image_id", "text")
        }
        vocabulary = dict(OcrWord.objects.values_list("pk", "word"))
        postings = OcrPosting.objects.values_list("pk", "image_id", "word_ids")
        assert {(pk, image): [vocabulary[each] for each in ids] for pk, image, ids in postings} == written
        for word in ("security", "москва"):
            texts = OcrText.objects.filter(shown=True).values_list("image_id", "text")
            assert found(word) == {image for image, text in texts if word in text}


def take(step: str, images: list[int], which: int, text: str, number: int) -> None:
    image_id = images[which % len(images)]
    texts = OcrText.objects.filter(image_id=image_id)
    match step:
        case "write":
            OcrText.objects.create(image_id=image_id, text=text, origin=f"program {number}", state=Opinion.SUGGESTED)
        case "rewrite":
            texts.update(text=text)
        case "reject":
            texts.update(state=Opinion.REJECTED)
        case "accept":
            texts.update(state=Opinion.ACCEPTED)
        case "delete":
            texts.delete()
        case "move":
            texts.update(image_id=images[0])
        case "purge":
            if len(images) > 1:
                images.remove(image_id)
                Image.objects.get(pk=image_id).delete()
        case "index":
            index_images([image_id])
        case "sweep":
            sweep()
        case "forget":
            forget_unused()
