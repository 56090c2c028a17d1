"""Crops, mirrored and turned copies, collages: found and proven by their keypoints."""

from search.engines.local_features import ENGINE
from tests.search.engine_contract import EngineContract


class TestLocalFeatures(EngineContract):
    engine = ENGINE
