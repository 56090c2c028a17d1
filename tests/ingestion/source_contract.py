"""What every source promises. A source's test inherits SourceContract and says how a picture gets into its place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import pytest

from gallery.models import Image
from tests.ingestion.scene import data, stored_files


@pytest.mark.django_db(transaction=True)
class SourceContract(ABC):
    @abstractmethod
    def put(self, name: str, content: bytes) -> Any:
        """Put bytes under a name where the source looks. Putting again under the same name replaces."""

    @abstractmethod
    def take_away(self, name: str) -> None: ...

    @abstractmethod
    def new(self) -> Iterable[Any]:
        """What the source finds and has not brought yet."""

    @abstractmethod
    def bring(self, entry: Any) -> Any:
        """Import one of these; the Outcome."""

    def bring_all(self) -> dict[str, str]:
        """{name: result}"""
        return {outcome.name: str(outcome.result) for outcome in map(self.bring, list(self.new()))}

    def test_it_works(self):
        self.put("a.jpg", data(1))
        self.put("b.png", data(2, "PNG"))
        assert self.bring_all() == {"a.jpg": "stored", "b.png": "stored"}
        assert {image.name for image in Image.objects.all()} == {"a.jpg", "b.png"}
        assert all(image.sources.count() == 1 for image in Image.objects.all())

    def test_it_brings_nothing_twice(self):
        self.put("a.jpg", data(1))
        self.bring_all()
        assert list(self.new()) == []

    def test_it_brings_what_has_changed(self):
        self.put("a.jpg", data(1))
        self.bring_all()
        self.put("a.jpg", data(2))
        assert self.bring_all() == {"a.jpg": "stored"}
        assert Image.objects.count() == 2

    def test_a_picture_in_two_places_is_one_image_of_two_sources(self):
        self.put("a.jpg", data(1))
        self.put("b.jpg", data(1))
        assert sorted(self.bring_all().values()) == ["known", "stored"]
        assert Image.objects.get().sources.count() == 2

    def test_what_is_refused_is_said_and_not_tried_for_ever(self):
        self.put("a.jpg", data(1)[:500])
        (entry,) = self.new()
        outcome = self.bring(entry)
        assert (outcome.result, outcome.error.code) == ("refused", "corrupt")
        assert list(self.new()) == []
        assert stored_files(".") == []

    def test_nothing_disappears_with_its_source(self):
        self.put("a.jpg", data(1))
        self.bring_all()
        self.take_away("a.jpg")
        assert list(self.new()) == []
        assert Image.objects.count() == len(stored_files()) == 1

    def test_what_vanishes_before_it_is_read_is_told_and_not_remembered(self):
        self.put("a.jpg", data(1))
        (entry,) = self.new()
        self.take_away("a.jpg")
        outcome = self.bring(entry)
        assert (outcome.result, outcome.name) == ("refused", "a.jpg")
        assert "No such file" in outcome.reason
        self.put("a.jpg", data(1))
        assert self.bring_all() == {"a.jpg": "stored"}
