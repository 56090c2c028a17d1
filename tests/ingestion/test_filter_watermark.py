"""The filter for watermarks: a score for each picture, by whatever network's weights are there."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from ingestion.filters.watermark import network
from ingestion.watermarks.drawing import clean, marked
from ingestion.watermarks.typefaces import OWN
from search.encoders.watermark import FILE
from tests.ingestion.filter_contract import FilterContract, screened
from tests.ingestion.tiny_watermark import NAME, known, plain, trained


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        known(patch)
        folder = tmp_path_factory.mktemp("weights")
        trained(folder)
        yield folder


class TestWatermark(FilterContract):
    name = "watermark"

    @pytest.fixture(autouse=True)
    def prepared(self, db, settings, weights):
        settings.WEIGHTS, settings.NETWORKS = weights, {**settings.NETWORKS, "watermark": [NAME]}

    def test_marked_pictures_have_higher_scores(self, judge):
        pairs = []
        for seed in range(12):
            random, picture = Random(seed), plain(50 + seed)
            with_mark, without = marked(picture, random, [OWN], 0.6).image, clean(picture, random, [OWN]).image
            pairs.append([judge(each, format="PNG").scores["watermark"] for each in (with_mark, without)])
        scores = np.array(pairs)
        assert (scores[:, 0] > scores[:, 1]).mean() >= 0.75
        assert scores[:, 0].mean() > scores[:, 1].mean() + 0.05

    def test_it_says_so_from_the_line_on(self, judge, monkeypatch):
        for score, sentence in ((0.9312, "It seems to bear a watermark (93% sure)."), (0.49, "")):
            monkeypatch.setattr(network(), "score", lambda pictures, score=score: np.array([score], np.float32))
            finding = judge(1)
            assert finding.sentence == sentence
            assert finding.scores == {"watermark": score}
            assert finding.facts == {"network": NAME}

    def test_without_weights_it_says_what_to_do(self, settings, tmp_path):
        """Without the folders of this machine: the sentence stands beside every candidate."""
        settings.WEIGHTS, settings.NETWORKS = tmp_path, {"watermark": ["watermark:efficientnet"]}
        assert "manage.py train_watermark DIR" in self.filter.missing()
        assert str(tmp_path) not in self.filter.missing()

    def test_the_first_one_with_weights_is_asked(self, settings):
        settings.NETWORKS = {"watermark": ["watermark:efficientnet", NAME]}
        assert self.filter.missing() == ""
        assert network().name == NAME

    def test_none_named_is_said(self, settings):
        settings.NETWORKS = {"watermark": []}
        assert "manage.py train_watermark DIR" in self.filter.missing()

    def test_damaged_weights_are_said(self, settings, weights, tmp_path):
        (tmp_path / "watermark" / "tiny").mkdir(parents=True)
        file = tmp_path / "watermark" / "tiny" / FILE
        file.write_bytes((weights / "watermark" / "tiny" / FILE).read_bytes()[:-7])
        settings.WEIGHTS = tmp_path
        assert "the page Models says more" in self.filter.missing()

    def test_many_at_once_get_the_scores_of_each_alone(self, tmp_path):
        pictures = [screened(tmp_path, seed).picture for seed in range(11)]
        alone = np.concatenate([network().score([each]) for each in pictures])
        assert network().score(pictures) == pytest.approx(alone, abs=0.02)
        assert network().score([]).shape == (0,)
