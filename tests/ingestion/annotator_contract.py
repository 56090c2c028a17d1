"""What every annotator promises. An annotator's test inherits AnnotatorContract and names its annotator."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image as PillowImage

from gallery.models import Image
from gallery.pictures import decode
from ingestion.annotators import all_annotators
from ingestion.annotators._base import Annotator
from tests.ingestion.scene import at_once, bring_image, data
from tests.pictures import encode, photo


@pytest.mark.django_db(transaction=True)
class AnnotatorContract:
    name: str
    """Of the file under ingestion/annotators."""

    @property
    def annotator(self) -> Annotator:
        return all_annotators()[self.name]

    def said(self, image: Image) -> Any:
        """Everything that this annotator has written about the image."""
        raise NotImplementedError

    def annotate(self, picture: PillowImage.Image) -> Image:
        image = bring_image(data(picture, "PNG"))
        self.annotator.annotate(image, decode(encode(picture, "PNG"), longest=1600))
        return image

    def test_it_works(self):
        assert self.said(self.annotate(photo(1)))

    def test_it_says_the_same_again(self):
        image = self.annotate(photo(1))
        before = self.said(image)
        self.annotator.annotate(image, decode(data(photo(1), "PNG"), longest=1600))
        assert self.said(image) == before

    def test_two_workers_may_annotate_one_image_at_once(self):
        image = self.annotate(photo(1))
        before, picture = self.said(image), decode(data(photo(1), "PNG"), longest=1600)
        at_once(2, lambda _: self.annotator.annotate(image, picture))
        assert self.said(image) == before

    def test_it_changes_nothing_else(self):
        image, other = bring_image(1), bring_image(2)
        Image.objects.update(name="a name that a person gave")
        before = self.said(other)
        self.annotator.annotate(image, decode(data(1), longest=1600))
        assert self.said(other) == before
        assert set(Image.objects.values_list("name", "state")) == {("a name that a person gave", "new")}

    def test_it_handles_an_image_that_was_purged_meanwhile(self):
        image = bring_image(1)
        Image.objects.get(pk=image.pk).purge()
        self.annotator.annotate(image, decode(data(1), longest=1600))
        assert not Image.objects.exists()

    @pytest.mark.parametrize("size", [(1, 1), (1600, 1), (1, 1600), (1600, 1200)])
    @pytest.mark.parametrize("colour", ["black", "white"])
    def test_it_handles_any_picture(self, size, colour):
        self.annotate(PillowImage.new("RGB", size, colour))


def test_each_file_is_an_annotator():
    for annotator in all_annotators().values():
        assert isinstance(annotator, Annotator)
