from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def two(add: Callable) -> tuple[Any, Any, Any]:
    """A picture, its smaller copy, and their group."""
    from search.duplicates import examine_missing
    from search.models import Group
    from tests.search.doubles import large

    first, second = add(large(1), "harbour.jpg"), add(large(1).resize((400, 300)), "small.jpg")
    for _ in examine_missing():
        pass
    return first, second, Group.objects.get()
