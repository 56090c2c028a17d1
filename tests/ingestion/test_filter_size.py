"""Too small, too long, too tall; what a source says before anything is fetched."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image as PillowImage

from ingestion.filters import all_filters
from ingestion.sources._base import Found, What
from tests.ingestion.filter_contract import FOUND, FilterContract

LARGE = PillowImage.new("L", (1280, 1024))


class TestSize(FilterContract):
    name = "size"

    def test_it_works(self, judge):
        finding = judge(LARGE, format="PNG")
        self.check(finding)
        assert finding.scores == {"megapixels": 1.31072, "proportion": 1.25}
        assert (finding.outcome, finding.sentence) == ("pass", "")

    @pytest.mark.parametrize(
        ("size", "why"),
        [
            ((1280, 1023), "less than 1.3 megapixels"),
            ((3003, 1000), "3 times as wide as high; at most 3 times"),
            ((999, 2000), "2 times as high as wide; at most 2 times"),
        ],
    )
    def test_it_rejects_what_is_beyond_the_lines_of_the_known_crawler(self, judge, size, why):
        finding = judge(PillowImage.new("L", size), format="PNG")
        assert finding.outcome == "reject"
        assert why in finding.sentence
        assert why in self.filter.foresee(Found("a", width=size[0], height=size[1]), self.options)

    @pytest.mark.parametrize("size", [(1280, 1024), (3000, 1000), (1000, 2000)])
    def test_what_is_on_the_line_passes(self, judge, size):
        assert judge(PillowImage.new("L", size), format="PNG").outcome == "pass"
        assert self.filter.foresee(Found("a", width=size[0], height=size[1]), self.options) == ""

    def test_its_lines_can_be_moved(self):
        small = Found("a", width=640, height=480)
        assert self.filter.foresee(small, self.options)
        assert not self.filter.foresee(small, self.options | {"least_pixels": 640 * 480})
        assert not self.filter.foresee(Found("a", width=9000, height=1000), self.options | {"widest": 9.0})

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"what": What.VIDEO}, "It is a video."),
            ({"what": What.REMOVED}, "It was removed where it was found."),
            ({"over_18": True}, "Its source says that it is only for adults."),
        ],
    )
    def test_what_its_source_says_is_enough(self, judge, changes, why):
        found = replace(FOUND, **changes)
        assert self.filter.foresee(found, self.options) == why
        assert judge(LARGE, found, format="PNG").sentence == why

    def test_what_is_over_18_may_be_allowed(self):
        allowed = self.options | {"over_18": True}
        assert not self.filter.foresee(Found("a", over_18=True), allowed)

    def test_an_archive_is_not_measured_before_it_is_opened(self):
        assert not self.filter.foresee(Found("a.zip", what=What.ARCHIVE, width=16, height=16), self.options)

    def test_it_comes_first(self):
        assert next(iter(all_filters())) == "size"
