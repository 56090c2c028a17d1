"""What every filter promises. A filter's test inherits FilterContract and names its filter."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from gallery.pictures import decode
from ingestion.filters import OptionError, all_filters, checked_options
from ingestion.filters._base import LONGEST, Filter, Finding, Outcome, Screened
from ingestion.sources._base import Found
from tests.pictures import encode, photo

FOUND = Found("https://example.org/a picture.jpg")
"""A source that says nothing but an address."""


def screened(
    folder: Path, what: int | PillowImage.Image | bytes = 1, found: Found = FOUND, format: str = "JPEG", **options: Any
) -> Screened:
    """A picture under judgement: ``what`` is a seed of ``photo``, a picture, or a file. Embedded by its mean colour."""
    content = what if isinstance(what, bytes) else encode(photo(what) if isinstance(what, int) else what, format)
    path = folder / hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    picture = decode(path, longest=LONGEST)
    return Screened(picture, path, path.name, len(content), found, **({"embed": mean_colour} | options))


def mean_colour(picture: Any) -> tuple[np.ndarray, str]:
    """((4,) float32 of length 1, a name): what stands in for a network."""
    seen = np.append(picture.pixels.mean((0, 1), dtype=np.float64), 1.0).astype(np.float32)
    return seen / np.linalg.norm(seen), "mean_colour"


@pytest.mark.django_db
class FilterContract:
    name: str
    """Of the file under ingestion/filters."""

    @property
    def filter(self) -> Filter:
        return all_filters()[self.name]

    @property
    def options(self) -> dict[str, Any]:
        """Those with which it is tried."""
        return dict(self.filter.defaults)

    @pytest.fixture(autouse=True)
    def prepared(self, db: None, settings: Any, tmp_path: Path) -> None:
        """What has to be there before it can judge: a model, its weights."""

    @pytest.fixture
    def judge(self, prepared: None, tmp_path: Path) -> Callable[..., Finding]:
        """judge(what, found=FOUND, format="JPEG") -> what the filter finds, by ``options``. See ``screened``."""
        return lambda *what, **how: self.judged(screened(tmp_path, *what, **how))

    def judged(self, picture: Screened) -> Finding:
        return self.filter.judge(picture, self.options)

    def check(self, finding: Finding) -> None:
        """Whatever a finding must be, of whatever picture."""
        assert isinstance(finding, Finding)
        assert set(finding.scores) <= {score.name for score in self.filter.scores}
        assert all(type(value) in (int, float) and math.isfinite(value) for value in finding.scores.values())
        assert finding.outcome in Outcome
        assert not finding.sentence or finding.sentence.endswith((".", "?"))
        for said in (finding.scores, finding.facts):
            assert json.loads(json.dumps(said, allow_nan=False)) == said

    def test_it_works(self, judge: Callable[..., Finding]):
        finding = judge(1)
        self.check(finding)
        assert set(finding.scores) == {score.name for score in self.filter.scores}

    def test_it_says_the_same_again(self, judge: Callable[..., Finding]):
        assert judge(1) == judge(1)

    def test_it_is_named_after_its_file_and_says_what_its_scores_mean(self):
        assert self.filter.name == self.name
        assert self.filter.label
        for score in self.filter.scores:
            assert score.name.isidentifier()
            assert score.name.islower()
            assert score.label
            assert score.about.endswith(".")
            assert score.good in ("high", "low")
            assert score.low < score.high
            assert score.cut_off is None or score.low <= score.cut_off <= score.high

    def test_it_handles_any_picture(self, judge: Callable[..., Finding]):
        """Plain ones in a colour and in black, very small, very long; grey ones, and those with transparent parts."""
        for size, mode in zip([(1, 1), (2, 3), (20_000, 1), (1, 20_000)], ["RGB", "1", "L", "RGBA"], strict=True):
            self.check(judge(PillowImage.new(mode, size), format="PNG"))
        for mode, colour in (("RGB", (250, 40, 90)), ("RGBA", (250, 40, 90, 128)), ("L", 90), ("1", 1)):
            self.check(judge(PillowImage.new(mode, (160, 120), colour), format="PNG"))

    def test_it_handles_noise_and_stripes(self, judge: Callable[..., Finding]):
        noise = np.random.default_rng(1).integers(0, 256, (120, 90, 3), dtype=np.uint8)
        stripes = np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 255
        for pixels in (noise, stripes):
            self.check(judge(PillowImage.fromarray(pixels), format="PNG"))

    def test_it_changes_nothing_of_what_it_judges(self, prepared: None, tmp_path: Path):
        picture, options = screened(tmp_path), self.options
        before = copy.deepcopy((picture.picture, picture.found, options))
        self.filter.judge(picture, options)
        assert (picture.picture.pixels == before[0].pixels).all()
        assert picture.picture.pixels.flags.writeable == before[0].pixels.flags.writeable
        assert (picture.found, options) == before[1:]
        assert hashlib.sha256(picture.path.read_bytes()).hexdigest() == picture.sha256

    def test_what_its_source_does_not_say_is_nothing_against_a_picture(self):
        for found in (FOUND, Found(""), Found("/a/path.jpg", name="path.jpg", more={"votes": None})):
            assert self.filter.foresee(found, self.options) == ""

    def test_why_it_cannot_judge_is_a_sentence(self):
        why = self.filter.missing()
        assert why == "" or (why.endswith(".") and why[0].isupper())

    def test_its_options_are_checked(self):
        assert checked_options(self.filter, {}) == self.filter.defaults
        assert checked_options(self.filter, dict(self.filter.defaults)) == self.filter.defaults
        nonsense = [None, [], {}, object(), math.nan, math.inf, -1, 10**13, "\x00", "x" * 1_000]
        for name in self.filter.defaults:
            for value in nonsense:
                with pytest.raises(OptionError, match=f"{name} must be .*[.]$"):
                    checked_options(self.filter, {name: value})

    def test_it_rejects_options_that_it_does_not_have(self):
        for given in ({"no such option": 1}, {"": 1}, {"x" * 500: 1}, [], "size", None, 3):
            with pytest.raises(OptionError, match=r"[.]$") as refused:
                checked_options(self.filter, given)
            assert len(str(refused.value)) < 400
