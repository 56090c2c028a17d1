"""The tables of searching: features and their log, queries."""

from search.models.features import Change, Feature, FeatureQuerySet, Snapshot, images_without, store_features
from search.models.queries import QueryPicture, new_token, sweep_queries

__all__ = [
    "Change",
    "Feature",
    "FeatureQuerySet",
    "QueryPicture",
    "Snapshot",
    "images_without",
    "new_token",
    "store_features",
    "sweep_queries",
]
