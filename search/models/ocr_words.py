"""The words inside pictures: each once, and where they stand."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from gallery.models import Image, OcrText


class OcrWord(models.Model):
    """One word of the vocabulary, as search.phonetic.words_in gives it, with what it is looked for under."""

    id = models.AutoField(primary_key=True)
    word = models.TextField(db_collation="C", help_text="In code point order, so that one index finds beginnings too.")
    latin = models.TextField(default="", db_collation="C", help_text="In Latin letters, where that is another word.")
    keys = ArrayField(models.IntegerField(), default=list, help_text="search.phonetic.keys")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["word"], name="ocr_word_once")]
        indexes = [
            # Without a list of what is not sorted in yet, which every question would have to read through.
            GinIndex(fields=["keys"], name="ocr_word_keys", fastupdate=False),
            models.Index(fields=["latin"], name="ocr_word_latin", condition=~Q(latin="")),
        ]

    def __str__(self) -> str:
        return self.word


class OcrPosting(models.Model):
    """The words of one OcrText in their order. Triggers make it with the text, hide, move and remove it with the text,
    and empty it when the text is another; search.ocr_words fills it."""

    text = models.OneToOneField(OcrText, models.CASCADE, primary_key=True, related_name="+")
    image = models.ForeignKey(Image, models.CASCADE, related_name="+")
    shown = models.BooleanField()
    word_ids = ArrayField(models.IntegerField(), null=True, help_text="Of OcrWord; null: the text was not read yet.")

    class Meta:
        indexes = [
            GinIndex(fields=["word_ids"], name="ocr_posting_words", condition=Q(shown=True), fastupdate=False),
            models.Index(fields=["text"], name="ocr_posting_unread", condition=Q(word_ids__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"words of image {self.image_id}"
