"""Every word that the API refuses with is explained, in one place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from gallery.api_codes import CODES
from gallery.formats import STATUS
from ingestion.by_url import STATUS as OF_ADDRESSES

ROOT = Path(__file__).resolve().parents[1]
RAISED = (
    r'Refusal\(\s*(?:\d+|status), "(\w+)"',
    r'(?:DecisionError|ModerationError|AddressError|PictureError|DownloadError)\("(\w+)"',
    r'CollectionError\([^\n]*, "(\w+)"(?:, \d+)?\)',
    r'on\(\w+, lambda e: \([^\n]*, "(\w+)", \d+',
)


def raised() -> Iterator[tuple[str, str]]:
    for app in ("gallery", "search", "ingestion"):
        for path in (ROOT / app).rglob("*.py"):
            if "client" not in path.parts:
                text = path.read_text(encoding="utf-8")
                yield from ((code, str(path)) for pattern in RAISED for code in re.findall(pattern, text))


def test_it_works() -> None:
    found = dict(raised())
    assert {"invalid", "csrf", "cursor", "taken", "bad_url", "decided"} <= set(found)
    assert {code: path for code, path in found.items() if code not in CODES} == {}
    assert set(STATUS) | set(OF_ADDRESSES) <= set(CODES)


def test_each_says_its_status() -> None:
    assert [code for code, means in CODES.items() if not re.match(r"[45]\d\d|anything", means)] == []


@pytest.mark.django_db
def test_the_page_and_the_document_explain_them(client: Client) -> None:
    page = client.get("/api/docs").content.decode()
    says = client.get("/api/openapi.json").json()["info"]["description"]
    assert all(f"<code>{code}</code>" in page and f"| `{code}` |" in says for code in CODES)


@pytest.mark.django_db
def test_every_body_has_an_example(client: Client) -> None:
    """What a program sends as JSON is shown, and is what may be sent."""
    import jsonschema_rs

    document = client.get("/api/openapi.json").json()
    shown = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            if schema is None or path == "/api/uploads":  # its picture is a file, or an address of the web
                continue
            whole = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
            assert whole.get("examples"), f"{method} {path}"
            check = jsonschema_rs.Draft202012Validator({**whole, "components": document["components"]})
            assert [error.message for error in check.iter_errors(whole["examples"][0])] == []
            shown += 1
    assert shown > 15
