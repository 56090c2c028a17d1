"""Several workers read texts at once: each text is read once, each word is written once, nobody waits for ever."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from gallery.models import OcrText
from search import ocr_words, tasks
from search.models import OcrPosting, OcrWord
from search.ocr_words import index_images, sweep
from tests.gallery.made import rows

WORDS = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(300)]


@pytest.mark.django_db(transaction=True)
def test_it_works(monkeypatch):
    monkeypatch.setattr(ocr_words, "BATCH", 7)
    ids, rng = rows(120), random.Random(1)
    OcrText.objects.bulk_create(OcrText(image_id=each, text=" ".join(rng.sample(WORDS, 20))) for each in ids)

    def work(number: int) -> int:
        try:
            return index_images(rng.sample(ids, 60)) if number % 2 else sweep()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        read = sum(pool.map(work, range(4)))
    assert read + sweep() == 120
    assert not OcrPosting.objects.filter(word_ids=None).exists()
    assert OcrWord.objects.count() == len({word for text in OcrText.objects.all() for word in text.text.split()})


@pytest.mark.django_db
def test_the_worker_reads_what_nobody_has_read():
    OcrText.objects.create(image_id=rows(1)[0], text="security")
    tasks.read_ocr_words.call_local()
    assert OcrPosting.objects.get().word_ids == [OcrWord.objects.get(word="security").pk]
    OcrText.objects.all().delete()
    tasks.forget_ocr_words.call_local()
    assert not OcrWord.objects.exists()
