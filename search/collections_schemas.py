"""What the API takes and tells of collections, and of what is done to them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import ConfigDict, Field

from gallery.api_pages import NO_NUL, Id, Token, example
from gallery.images_schemas import ImageOut
from search.datasets import choosing, keeping, packing, wishes
from search.datasets.answers import MOST

EXAMPLES = 50
"""Of the pictures that would go, and of lines that match nothing."""


Text = Annotated[str, Field(pattern=NO_NUL)]
Name = Annotated[Text, Field(min_length=1, max_length=keeping.LONGEST_NAME)]


class CollectionIn(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra=example(name="police cars", note="to label"))
    name: Name
    note: Annotated[Text, Field(max_length=keeping.LONGEST_NOTE)] = ""
    shared: bool = Field(False, description="Everybody who may look at the gallery sees it.")


class CollectionEdit(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra=example(name="cars", shared=True))
    name: Name | None = None
    note: Annotated[Text, Field(max_length=keeping.LONGEST_NOTE)] | None = None
    shared: bool | None = Field(None, description="One that is shared no more gets another token.")


class CollectionOut(Schema):
    token: str
    name: str
    note: str
    shared: bool
    mine: bool
    owner: str
    count: int = Field(description="Pictures in it that the asker may see.")
    created_at: datetime
    page: str


class CollectedOut(Schema):
    """A picture of a collection."""

    image: ImageOut
    via: str = Field(description="The search that found it; told to the owner of the collection.")
    score: float | None = Field(description="Of a model of the owner's.")
    added_at: datetime


class Near(Schema):
    """A near-duplicate, and what stays in its place."""

    removed: int
    kept: int | None
    why: str = Field(
        description="phash: the same picture by its hash; known: the gallery knows the pair; or an engine."
    )
    near: float = Field(description="Of a hash the bits of 576 that differ, else the cosine.")


class LeftOut(Schema):
    image: int
    why: str


class Outcome(Schema):
    """What a work has done; what does not apply to its kind is null."""

    asked: int | None = None
    added: int | None = None
    notices: list[str] = Field([], description="What the search could not ask: there may be more such pictures.")
    removed: int | None = None
    would_remove: int | None = Field(None, description="Of a dry run.")
    of: int | None = None
    examples: list[Near] = Field([], description=f"The first {EXAMPLES}.")
    chosen: int | None = None
    unprepared: int | None = Field(None, description="Pictures without features yet: not chosen.")
    radius: float | None = Field(None, description="From the farthest picture to the nearest chosen one, 0 to 2.")
    distance: float | None = Field(None, description="The same on average.")
    usual: float | None = Field(None, description="Between two pictures of the collection: what to measure these by.")
    engine: str | None = Field(None, description="Whose features were compared.")
    collection: str | None = Field(None, description="Token of the collection that was made.")
    packed: int | None = None
    left_out: int | None = None
    why: list[LeftOut] = []
    bytes: int | None = None


class WorkOut(Schema):
    """What is done to a collection; small works are over with the answer, others go on in the background."""

    token: str
    collection: str
    kind: Literal["add", "remove", "thin", "sample", "export"]
    state: Literal["waiting", "working", "done", "failed", "undone", "stopped"]
    total: int
    done: int
    problem: str = Field(description="Why it was given up.")
    dry_run: bool
    can_be_undone: bool
    outcome: Outcome
    at: datetime
    ended_at: datetime | None
    address: str = Field(description="Where to ask again.")
    file: str | None = Field(description="Of an export that is done: where its file is for a day.")


class AddIn(Schema):
    """One of: ``ids``, ``query``, ``like``, ``colours``, ``address``."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(query='tag:"police car"', limit=10_000))
    ids: list[Id] = Field([], max_length=10_000)
    query: Annotated[Text, Field(max_length=1_000)] = Field("", description="In the language of searching.")
    like: Id | None = Field(None, description="What looks like this picture of the gallery.")
    colours: Annotated[Text, Field(max_length=100)] = Field("", description="Hex codes with commas between them.")
    address: Annotated[Text, Field(max_length=4_000)] = Field("", description="Path and query of a page of answers.")
    limit: Annotated[int, Field(ge=1, le=MOST)] = 10_000


class RemoveIn(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra=example(ids=[1, 2]))
    ids: list[Id] = Field(min_length=1, max_length=10_000)


class ThinIn(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra=example(bits=112, dry_run=True))
    bits: Annotated[int, Field(ge=0, le=choosing.MOST_BITS)] = Field(
        choosing.DEFAULT_BITS, description="Bits of 576 of the hash that may differ; 0: the hash is not asked."
    )
    likeness: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="Cosine, 0.5 to 1, from which on two look alike; 0: not asked."
    )
    engine: Annotated[Text, Field(max_length=32)] = Field("", description="Whose features; the best one by itself.")
    dry_run: bool = Field(True, description="Say what would go, and take nothing out.")
    preview: Token | None = Field(None, description="A dry run whose word is taken: nothing else goes.")


class SampleIn(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra=example(how="diverse", count=100, into="to label"))
    how: Literal["diverse", "spread", "random", "uncertain"] = "diverse"
    count: Annotated[int, Field(ge=1, le=MOST)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    low: Annotated[float, Field(ge=0, le=1)] = wishes.LOW
    high: Annotated[float, Field(ge=0, le=1)] = wishes.HIGH
    into: Annotated[Text, Field(max_length=keeping.LONGEST_NAME)] = Field(
        "", description="Name of a new collection for the sample; empty: the rest is taken out of this one."
    )
    engine: Annotated[Text, Field(max_length=32)] = ""


class ExportIn(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra=example(index="coco", longest=512))
    index: Literal["jsonl", "csv", "coco"] = "jsonl"
    longest: Annotated[int, Field(ge=0, le=packing.MOST_SIZE)] = Field(
        0, description=f"Pixels of the longest side, from {packing.LEAST_SIZE}; 0: the originals."
    )
    metadata: bool = Field(False, description="Originals byte by byte, with what cameras wrote into them: places too.")


class Unmatched(Schema):
    line: int
    picture: str
    why: str


class ScoresOut(Schema):
    matched: int
    unmatched: int
    lines: list[Unmatched] = Field(description=f"The first {EXAMPLES * 20} that match no picture.")
