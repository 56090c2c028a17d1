"""Whatever is sent to the API, in everybody's role: it answers as its document says, and never breaks.

Schemathesis makes the requests. Of the cases that cover each operation some are taken, in even steps, for its whole is
thousands; and some at random, the same in each run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import WSGIHandler
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as pace
from hypothesis.errors import Unsatisfiable
from schemathesis.config import GenerationConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.generation.drivers import CoverageGenerator
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.generation.overrides import Override
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

COVERING, DRAWN, AMONG = 6, 2, 200
"""Cases of each operation: of the first ones that cover it, of valid and of invalid ones at random; among so many."""
CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]
PACE = pace(
    max_examples=DRAWN,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


@pytest.fixture
def headers(db: None) -> dict[str, dict[str, str]]:
    """{role: what it sends}"""
    from gallery.models import ApiToken, Role, Scope, User

    found: dict[str, dict[str, str]] = {"visitor": {}}
    for role in (Role.MEMBER, Role.MODERATOR, Role.ADMIN):
        user = User(username=str(role.label))
        user.take_role(role)
        user.save()
        _, secret = ApiToken.issue(user, "schema", Scope.values)
        found[str(role.label)] = {"Authorization": f"Bearer {secret}"}
    return found


@pytest.fixture
def document(db: None, settings: Any) -> Iterator[Any]:
    settings.ALLOWED_HOSTS = ["*"]
    settings.SEARCHES_PER_MINUTE = settings.UPLOADS_PER_HOUR = settings.MEGABYTES_PER_HOUR = 0
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)  # that of the test is in a transaction
    yield schemathesis.openapi.from_wsgi("/api/openapi.json", WSGIHandler())
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def there(headers: dict) -> dict[str, Any]:
    """What there is, by the addresses of operations: most that is drawn would be "not found"."""
    from gallery.models import Image, User
    from gallery.opinions import add_tag
    from gallery.originals import path_of
    from search.models import Collection, SavedSearch
    from tests.gallery.made import rows, tag_called

    member = User.objects.get(username="member")
    (pk,) = rows(1)
    image = Image.objects.get(pk=pk)
    image.owners.add(member)
    image.sources.create(kind="upload", address="a.jpg", by=member)
    file = path_of(image.sha256, image.format)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"a picture")
    add_tag(image, "sea", member)
    saved = SavedSearch.objects.create(owner=member, name="mine", address="/search/?q=sea")
    collection = Collection.objects.create(owner=member, name="mine")
    return {
        "/api/images": {"id": pk},
        "/api/tags": {"id": tag_called("sea").pk},
        "/api/saved": {"token": saved.token},
        "/api/collections": {"token": collection.token},
    }


def covering(operation: Any) -> list[Any]:
    every = CoverageGenerator(
        operation=operation,
        generation_modes=MODES,
        generation_config=GenerationConfig(),
        auth_storage=None,
        override=Override(),
        feedback=NO_FEEDBACK,
    )
    cases = list(itertools.islice(every, AMONG))
    return cases[:: max(1, -(-len(cases) // COVERING))]


def drawn(operation: Any, mode: GenerationMode) -> list[Any]:
    found: list[Any] = []

    def keep(case: Any) -> None:
        found.append(case)

    with suppress(Unsatisfiable):  # what takes nothing can be asked nothing wrong
        PACE(given(operation.as_strategy(generation_mode=mode))(keep))()
    return found


def asked(operation: Any, roles: Iterator[str], everybody: Iterable[str]) -> Iterator[tuple[Any, str]]:
    """(case, role): what is valid is asked by all, the rest by one after the other."""
    valid, invalid = drawn(operation, GenerationMode.POSITIVE), drawn(operation, GenerationMode.NEGATIVE)
    yield from itertools.product(valid, everybody)
    yield from zip([*invalid, *covering(operation)], roles, strict=False)


def test_it_answers_as_its_document_says(document: Any, headers: dict, there: dict) -> None:
    broken, roles, seen = [], itertools.cycle(headers), set()
    for found in document.get_all_operations():
        operation = found.ok()
        known = next((those for path, those in there.items() if operation.path.startswith(path)), {})
        for case, role in asked(operation, roles, headers):
            if role != "visitor":
                case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
            if trouble := trouble_with(case, headers[role]):
                broken.append(f"{role}, {operation.label}: {trouble}")
            seen.add((operation.label, role))
    assert not broken, f"{len(broken)} answers:\n\n" + "\n\n".join(broken[:10])
    assert len(seen) >= len(headers) * 60


def trouble_with(case: Any, headers: dict[str, str]) -> str:
    with transaction.atomic():
        response = case.call(headers=headers)
        transaction.set_rollback(True)
    if response.status_code >= 500:
        return f"{case.as_curl_command()}\n{response.status_code} {response.text[:500]}"
    try:
        case.validate_response(response, checks=CHECKS)
    except AssertionError as error:
        return f"{case.as_curl_command()}\n{error}"
    except FailureGroup as group:
        return "\n".join([case.as_curl_command(), *map(str, group.exceptions)])
    return ""
