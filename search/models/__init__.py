"""The tables of searching: features and their log, queries, duplicates and what was decided about them."""

from search.models.collections import Collection, CollectionItem, CollectionQuerySet, CollectionWork
from search.models.duplicates import (
    Dismissal,
    Examination,
    Group,
    GroupMember,
    Pair,
    Sight,
    page_of_images,
    same_bytes,
)
from search.models.features import Change, Feature, FeatureQuerySet, Snapshot, images_without, store_features
from search.models.fetches import Fetch
from search.models.generations import Generation, Unmade
from search.models.ocr_words import OcrPosting, OcrWord
from search.models.queries import QueryPicture, new_token, sweep_queries
from search.models.resolutions import Dropped, Resolution
from search.models.saved import SavedSearch

__all__ = [
    "Change",
    "Collection",
    "CollectionItem",
    "CollectionQuerySet",
    "CollectionWork",
    "Dismissal",
    "Dropped",
    "Examination",
    "Feature",
    "FeatureQuerySet",
    "Fetch",
    "Generation",
    "Group",
    "GroupMember",
    "OcrPosting",
    "OcrWord",
    "Pair",
    "QueryPicture",
    "Resolution",
    "SavedSearch",
    "Sight",
    "Snapshot",
    "Unmade",
    "images_without",
    "new_token",
    "page_of_images",
    "same_bytes",
    "store_features",
    "sweep_queries",
]
