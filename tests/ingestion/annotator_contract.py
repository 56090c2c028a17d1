"""What every annotator promises. An annotator's test inherits AnnotatorContract and names its annotator."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from PIL import Image as PillowImage

from gallery.models import Image
from gallery.opinions import add_tag, write_caption
from gallery.pictures import decode
from ingestion.annotators import all_annotators, all_network_annotators
from ingestion.annotators._base import Annotator
from ingestion.annotators._network import NetworkAnnotator
from ingestion.thresholds import carry_on, line_of, move, take_back
from search.current import bound_role
from search.filling import fill_one
from search.generations import begin, switch
from search.models import Feature, Generation
from search.roles import all_roles
from tests.ingestion.colour_networks import ColourNetwork, fill, followed, image_of, known
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


@pytest.mark.django_db(transaction=True)
class NetworkAnnotatorContract:
    """What every annotator promises that asks a network. ``network(seen)``: one that looks at the mean colour, another
    ``seen`` is another network."""

    role: str

    def network(self, seen: float = 1.0) -> ColourNetwork:
        raise NotImplementedError

    def prepare(self) -> None:
        """What has to be there before the role can be filled."""

    @pytest.fixture
    def image(self) -> Image:
        return image_of("red")

    @property
    def annotator(self) -> NetworkAnnotator:
        return all_network_annotators()[self.role]

    def fill(self, network: ColourNetwork) -> Generation:
        self.prepare()
        return fill(self.role, known(network))

    def said(self, **which: Any) -> set[str]:
        """What the images are said to show."""
        return {str(word) for word in self.annotator.words.objects.filter(**which)}

    def shown(self) -> set[str]:
        return self.said(shown=True)

    def test_it_works(self, image: Image):
        network = self.network()
        generation = self.fill(network)
        assert generation.state == "current"
        assert any("red" in words for words in self.shown())
        assert not any("blue" in words for words in self.shown())
        for word in self.annotator.words.objects.all():
            assert (word.origin, word.generation, word.state) == (network.name, generation.pk, "suggested")
            assert 0 < word.confidence <= 1

    def test_each_image_gets_its_own(self, image: Image):
        blue = image_of("blue")
        self.fill(self.network())
        assert any("red" in word for word in self.said(shown=True, image=image))
        assert any("blue" in word for word in self.said(shown=True, image=blue))
        assert not any("blue" in word for word in self.said(shown=True, image=image))

    def test_what_comes_later_is_looked_at_too(self, image: Image):
        generation = self.fill(self.network())
        later = image_of("blue")
        self.prepare()
        fill_one(generation)
        assert any("blue" in word for word in self.said(shown=True, image=later))

    def test_another_network_takes_over_when_it_is_complete_and_goes_back(self, image: Image):
        first = self.fill(self.network())
        second = self.fill(self.network(2.0))
        assert self.said(shown=True, generation=second.pk)
        assert not self.said(shown=True, generation=first.pk)
        first.refresh_from_db()
        assert switch(first)
        followed()
        assert self.said(shown=True, generation=first.pk)
        assert not self.said(shown=True, generation=second.pk)

    def test_nothing_is_shown_before_it_is_complete(self, image: Image):
        first = self.fill(self.network())
        self.prepare()
        other = self.network(2.0)
        second = begin(self.role, known(other).name)
        role = bound_role(second)
        assert isinstance(role, NetworkAnnotator)
        feature = bytes(Feature.objects.get(engine=self.role, version=first.pk).data)
        with transaction.atomic():
            role.network.names = getattr(other, "names", [])  # type: ignore[attr-defined]
            self.as_learned(role, first).write([image.pk], [feature])
        assert self.said(generation=second.pk)
        assert not self.said(shown=True, generation=second.pk)

    def as_learned(self, role: NetworkAnnotator, first: Generation) -> NetworkAnnotator:
        return role.bound(role.version, role.network, bytes(first.learned))

    @pytest.mark.parametrize(("decided", "is_shown"), [("accepted", True), ("rejected", False)])
    def test_what_people_decided_holds_for_the_next_network(self, image: Image, decided: str, is_shown: bool):
        self.fill(self.network())
        words = self.annotator.words.objects
        words.update(state=decided)
        before = self.shown()
        self.fill(self.network(1.01))  # nearly the same, so that it says the same
        assert set(words.values_list("state", flat=True)) == {decided}
        assert self.shown() == before
        assert bool(before) == is_shown

    def test_what_people_wrote_stays(self, image: Image):
        add_tag(image, "a tag of mine")
        write_caption(image, "A caption of mine", "")
        self.fill(self.network())
        self.fill(self.network(2.0))
        assert image.image_tags.get(origin="person").shown
        assert image.captions.get(origin="person").shown
        image.refresh_from_db()
        assert image.caption == "A caption of mine"

    def test_a_line_is_drawn_without_asking_the_network(self, image: Image):
        network = self.network()
        self.fill(network)
        asked, start = network.asked, self.shown()
        change = move(self.role, None, 1.0, line_of(self.role), None)
        assert change
        assert not carry_on(change, 10)
        assert self.shown() == set() or all(w.confidence == 1 for w in self.annotator.words.objects.filter(shown=True))
        assert not carry_on(take_back(change, None), 10)
        assert self.shown() == start
        assert network.asked == asked

    def test_the_same_again_changes_nothing(self, image: Image):
        generation = self.fill(self.network())
        before = self.said()
        Feature.objects.filter(engine=self.role).delete()
        fill_one(generation)
        assert self.said() == before

    def test_an_image_that_was_purged_leaves_nothing(self, image: Image):
        self.fill(self.network())
        image.purge()
        assert not self.said()


def test_each_file_is_one_kind_of_annotator():
    assert all_annotators().keys().isdisjoint(all_network_annotators())
    for name, role in all_network_annotators().items():
        assert role.name == name
        assert 0 <= role.line <= 1
        assert role is all_roles()[name]
