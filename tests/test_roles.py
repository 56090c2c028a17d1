"""Who may do what: every address, by everybody, against the table below and the one in the README."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import URLResolver, get_resolver
from ninja.utils import normalize_path

from gallery.api import api
from gallery.api_access import Access
from gallery.models import ApiToken, Scope, User
from tests.gallery.test_security import EVIL, is_guarded
from tests.role_things import NOT_MADE, everybody, things

pytestmark = pytest.mark.django_db
README = Path(__file__).resolve().parents[1] / "README.md"

TABLE: dict[tuple[str, str], str] = {
    # (the least that may, what the README calls it): names of pages, operations of the API.
    # "POST name": where sending a form needs more than looking at the page.
    ("anybody", ""): """login logout sign_up signed_up invitation ask_reset reset_sent new_password welcome live ready
        justified_css /favicon.ico GET /api/health api:unknown""",
    ("visitor", "look and search, in a gallery that is public"): """browse image original /r/ strips tags complete
        search search_by_url colours syntax like like_by_tags like_match query query_picture delete_query query_match
        /search/like/<int:pk>/match/<int:other>/warped.webp /search/q/<str:token>/match/<int:pk>/warped.webp
        feed_atom feed_json saved_searches saved_atom saved_json
        collections collection api:api_docs api:openapi-json GET /api/ GET /api/me
        GET /api/images GET /api/images/{id} GET /api/images/{id}/original GET /api/images/{id}/renditions/{longest}
        GET /api/images/{id}/history GET /api/images/{id}/similar
        GET /api/tags GET /api/tags/{id} GET /api/tags/complete
        GET /api/search POST /api/search GET /api/search/engines GET /api/saved GET /api/saved/{token}/results
        GET /api/collections GET /api/collections/{token} GET /api/collections/{token}/images""",
    ("member", "add pictures"): """import upload_file progress held held_bar held_keep_all held_drop_all held_undo_all
        POST /api/uploads GET /api/uploads/questions GET /api/uploads/jobs/of/{image} POST /api/filter""",
    ("owner or moderator", "add pictures / questions about uploads of all"): """held_one held_picture held_compare
        held_keep held_replace held_drop held_undo GET /api/uploads/{job} GET /api/uploads/{token}/picture
        POST /api/uploads/{token}/answer POST /api/uploads/{token}/undo""",
    ("member", "tag and caption, one by one or many at once"): """add_tag accept_tag reject_tag write_caption
        accept_caption reject_caption accept_text reject_text undo_words image_history revert_edit select
        apply_selection tag PATCH /api/images/{id}""",
    ("owner or moderator", "tag and caption, one by one or many at once / changes of others and turning them back"): """
        undo_batch""",
    ("member", "saved searches"): "POST saved_searches POST /api/saved",
    ("owner", "saved searches"): """rename_saved share_saved delete_saved restore_saved PATCH /api/saved/{token}
        DELETE /api/saved/{token} POST /api/saved/{token}/restore""",
    ("member", "collections"): """POST collections collect collect_into POST /api/collections
        GET /api/collections/{token}/works export_collection POST /api/collections/{token}/export""",
    ("owner", "collections"): """edit_collection share_collection delete_collection restore_collection
        remove_from_collection thin_collection sample_collection collection_work thin_as_seen undo_collection_work
        stop_collection_work collection_file
        PATCH /api/collections/{token} DELETE /api/collections/{token} POST /api/collections/{token}/restore
        POST /api/collections/{token}/images POST /api/collections/{token}/images/remove
        POST /api/collections/{token}/scores POST /api/collections/{token}/thin POST /api/collections/{token}/sample
        GET /api/collections/{token}/works/{work} POST /api/collections/{token}/works/{work}/undo
        POST /api/collections/{token}/works/{work}/stop GET /api/collections/{token}/works/{work}/file""",
    ("owner or moderator", "private pictures"): "share_image",
    ("owner or admin", "private pictures / opens private pictures of others by their address"): "/private/",
    ("member", "API tokens"): "tokens",
    ("owner", "API tokens"): "revoke_token bring_back_token",
    ("owner or moderator", "the trash of their own pictures / the trash of all public pictures"): """trash restore
        DELETE /api/images/{id} POST /api/images/{id}/restore""",
    ("member", "Your account"): "account password sign_out_elsewhere delete_account",
    ("moderator", "the moderation queue and scores"): """moderation decide undo_last_decision decision_log undo_decision
        candidate candidate_thumbnail candidate_picture candidate_neighbours scores score replay words line_progress
        GET /api/uploads/jobs POST /api/uploads/jobs/retry GET /api/candidates POST /api/candidates/decide
        GET /api/candidates/decisions POST /api/candidates/decisions/undo POST /api/candidates/decisions/{id}/undo
        GET /api/candidates/{token} GET /api/candidates/{token}/thumbnail GET /api/candidates/{token}/picture
        GET /api/candidates/scores GET /api/candidates/scores/{name}""",
    ("moderator", "duplicates"): """duplicates duplicates_progress duplicate_bytes duplicate_group duplicate_row
        duplicate_outcome merge_duplicates dismiss_duplicates undo_merge undo_dismissal duplicate_rules apply_rule
        undo_run duplicate_history""",
    ("moderator", "changes of others and turning them back"): "changes revert_person",
    ("moderator", "rules of tags"): "tag_changes tag_progress undo_tag_change preview_tag_change change_tag",
    ("admin", "accounts and invitations"): """accounts approve_account refuse_account wait_account change_role
        deactivate_account reactivate_account sign_out_account reset_account invite revoke_invitation
        bring_back_invitation""",
    ("admin", "sources and watched folders (they read and fetch)"): """add_folder remove_folder sources add_source
        test_new_source source edit_source test_source crawl_source pause_source resume_source remove_source
        bring_back_source GET /api/sources POST /api/sources GET /api/sources/kinds POST /api/sources/test
        GET /api/sources/{name} PATCH /api/sources/{name} DELETE /api/sources/{name} POST /api/sources/{name}/test
        POST /api/sources/{name}/crawl POST /api/sources/{name}/pause POST /api/sources/{name}/resume
        POST /api/sources/{name}/restore""",
    ("admin", "models"): """models model_switch switch_model fetch_model cancel_fetch roll_back_model stop_model
        go_on_model try_model_again""",
    ("admin", "novelty"): "novelty train_novelty use_novelty decline_novelty propose_novelty",
    ("admin", "moving lines for all"): """move_line take_back_line draw_cut_off usual_cut_off apply_cut_off
        PUT /api/candidates/scores/{name}/line DELETE /api/candidates/scores/{name}/line
        POST /api/candidates/scores/{name}/apply""",
    ("admin", "Django's admin"): "/admin/",
}
BY_ANYONE = "add pictures if `LOOKALIKE_UPLOADS=anyone`"
"""What the README says of visitors beside; a test of its own looks at it."""
RANK = {"anybody": 0, "visitor": 0, "member": 1, "moderator": 2, "admin": 3}
READERS = ("visitor", "member", "owner", "moderator", "admin")
"""``member`` owns nothing of what is asked for."""


def routes_in(written: str) -> list[str]:
    return re.findall(r"(?:(?:GET|POST|PUT|PATCH|DELETE) )?\S+", written)


LEAST = {route: least for (least, _), written in TABLE.items() for route in routes_in(written)}


def may(reader: str, least: str) -> bool:
    who, _, others = least.partition(" or ")
    if who == "owner":
        return reader == "owner" or bool(others and RANK.get(reader, 0) >= RANK[others])
    return RANK.get(reader, 1) >= RANK[who]


# --- what there is
def pages(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, str]]:
    """(name, its address with the arguments as they are written); operations of the API are none."""
    for each in resolver.url_patterns:
        place = before + str(each.pattern)
        if isinstance(each, URLResolver) and each.namespace == "admin":
            yield "/admin/", place
        elif isinstance(each, URLResolver):
            yield from pages(each, place)
        elif not place.startswith("api/"):
            yield each.name or "/" + re.sub(r"^\^(\w+/)\(.*", r"\1", place), place
        elif as_operation(place) not in {path for _, path, _ in operations()}:
            yield f"api:{each.name}", place


def as_operation(place: str) -> str:
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", place)


@cache
def operations() -> list[tuple[str, str, Access | None]]:
    """[(method, address with the arguments as they are written, who may), ...]"""
    found = []
    for router in api._get_bound_routers():
        for place, view in router.path_operations.items():
            path = as_operation(normalize_path("/".join(part for part in ("api", router.prefix, place) if part)))
            for operation in view.operations:
                asks = next((each for each in operation.auth_callbacks if isinstance(each, Access)), None)
                found += [(method, path.replace("//", "/"), asks) for method in operation.methods]
    return found


PAGES = dict(pages(get_resolver("gallery.urls")))
OPERATIONS = {f"{method} {path}": (method, path, asks) for method, path, asks in operations()}


# --- asking
def refuses(response: HttpResponseBase) -> bool:
    sent = response.headers.get("Location", "")
    return response.status_code in (401, 403, 404) or sent.startswith(("/login/?next=", "/admin/login/?next="))


class Reader:
    """Somebody with a session and a token. What is asked for changes nothing: it is rolled back."""

    def __init__(self, user: User | None) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers: dict[str, str] = {}
        if user:
            self.client.force_login(user)
            self.headers = bearer(user, Scope.values)
        self.cookies = self.client.cookies.output(header="", sep=";")

    def asks(self, method: str, address: str, headers: dict[str, str] | None = None) -> HttpResponseBase:
        by_token = address.startswith("/api/") and address not in ("/api/docs", "/api/openapi.json")
        self.client.cookies = SimpleCookie("" if by_token else self.cookies)
        sent = sent_to(address) if by_token and method != "GET" else {}
        with transaction.atomic():
            shown = headers or (self.headers if by_token else {})
            response = self.client.generic(method, address, headers={"Origin": EVIL, **shown}, **sent)
            transaction.set_rollback(True)
        assert response.status_code < 500, (method, address, response.status_code)
        is_guarded(response)
        return response


def sent_to(address: str) -> dict[str, Any]:
    """What an operation asks for before it looks whose things these are."""
    if address.endswith("/scores"):
        file = SimpleUploadedFile("scores.csv", b"image,score\n1,0.5\n")
        return {"data": encode_multipart(BOUNDARY, {"scores": file}), "content_type": MULTIPART_CONTENT}
    named = next((body for end, body in BODIES.items() if address.endswith(end)), {})
    return {"data": json.dumps(named), "content_type": "application/json"}


BODIES: dict[str, Any] = {"/images": {"ids": [1]}, "/images/remove": {"ids": [1]}, "/answer": {"action": "drop"}}


def bearer(user: User, scopes: list[str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {ApiToken.issue(user, 'roles', scopes)[1]}"}


@pytest.fixture
def people() -> dict[str, User]:
    return everybody()


@pytest.fixture
def readers(people: dict[str, User], settings: Any) -> dict[str, Reader]:
    settings.SEARCHES_PER_MINUTE = settings.UPLOADS_PER_HOUR = settings.MEGABYTES_PER_HOUR = 0
    return {name: Reader(people.get(name)) for name in READERS}


def requests() -> Iterator[tuple[str, str, str, str]]:
    """(route, method, address with the arguments as they are written, the least that may)"""
    for name, place in PAGES.items():
        for method in ("GET", "POST"):
            route = f"{method} {name}" if f"{method} {name}" in LEAST else name
            yield route, method, place, LEAST[route]
    for route, (method, path, _) in OPERATIONS.items():
        yield route, method, path.removeprefix("/"), LEAST[route]


def those_asked(least: str) -> list[str]:
    """The first that may, and all that must be refused. Owners are members like others where nothing is owned."""
    readers = READERS if "owner" in least else [name for name in READERS if name != "owner"]
    admitted = [name for name in readers if may(name, least)]
    first = admitted if "owner" in least else admitted[:1]
    return [*first, *(name for name in readers if name not in admitted)]


def test_it_works(people: dict[str, User], readers: dict[str, Reader]):
    there, wrong, looked = things(people), [], set()
    for route, method, place, least in requests():
        address = there.at(place) + ("?by=owner" if route == "revert_person" else "")
        for name in those_asked(least):
            response = readers[name].asks(method, address)
            if response.status_code == 405:
                break
            looked.add(route)
            told = response.status_code == 404 and NOT_MADE.match(place)
            if (refuses(response) and not told) == may(name, least):
                wrong.append(f"{method} {address} ({route}: {least}) answers {response.status_code} to the {name}")
    assert not wrong, "\n".join(wrong)
    assert looked == LEAST.keys()


def test_each_route_is_in_the_table():
    routes = {route.removeprefix("POST ") if " /" not in route else route for route in LEAST}
    assert routes == PAGES.keys() | OPERATIONS.keys()
    assert len(routes) > 240
    written = [route for some in TABLE.values() for route in routes_in(some)]
    assert len(written) == len(set(written))
    document = api.get_openapi_schema()["paths"]
    assert OPERATIONS.keys() == {f"{method.upper()} {path}" for path, some in document.items() for method in some}


def test_the_readme_says_the_same():
    """Each word of its table stands for some routes, and each route for words of it."""
    section = re.search(r"^## Accounts\n(.*?)^## ", README.read_text(), re.DOTALL | re.MULTILINE)[1]
    rows = dict(re.findall(r"^\| \*\*(\w+)\*\*[^|]*\| (.*) \|$", section, re.MULTILINE))
    assert list(rows) == ["visitor", "member", "moderator", "admin"]
    told: dict[str, list[str]] = {who: [] for who in rows} | {"visitor": [BY_ANYONE]}
    for least, phrases in TABLE:
        asked = ["member" if who in ("owner", "anybody") else who for who in least.split(" or ")]
        for who, phrase in zip(asked, phrases.split(" / "), strict=False):
            assert phrase in rows[who] or f"**{phrase}**" in section, (who, phrase)
            told[who].append(phrase)
    for who, said in rows.items():
        for phrase in sorted(filter(None, told[who]), key=len, reverse=True):
            said = said.replace(phrase, "")
        assert set(re.findall(r"\w+", said)) <= {"also", "and"}, (who, said)


@pytest.mark.parametrize("access", ["members", "invite"])
def test_a_closed_gallery_is_open_to_members_only(
    settings: Any, people: dict[str, User], readers: dict[str, Reader], access: str
):
    settings.ACCESS, there, methods = access, things(people), set()
    for route, method, place, least in requests():
        address = there.at(place)
        response = readers["visitor"].asks(method, address)
        told = f"{method} {address} answers {response.status_code}"
        if least == "anybody":
            assert response.status_code != 401, told
            continue
        if response.status_code == 405:
            continue
        methods.add(route)
        assert refuses(response), told
        assert response.status_code in (401, 302), told
        if access == "members" and method == "GET" and least == "visitor" and not NOT_MADE.match(place):
            assert not refuses(readers["member"].asks(method, address)), address
    assert methods == {route for route, least in LEAST.items() if least != "anybody"}


def test_a_private_picture_is_there_for_its_owner_only(people: dict[str, User], readers: dict[str, Reader]):
    there, looked = things(people, private=True), set()
    for route, method, place, _ in requests():
        if not re.match(r"image/|search/(like|strips)/|api/images/\{|api/uploads/jobs/of/|\^private/", place):
            continue
        for name in ("visitor", "member", "moderator"):
            response = readers[name].asks(method, there.at(place))
            assert response.status_code == 405 or refuses(response), (name, method, place, response.status_code)
        response = readers["owner"].asks(method, there.at(place))
        assert NOT_MADE.match(place) or not refuses(response), (method, place)
        looked |= {route} if response.status_code != 405 else set()
    assert len(looked) > 30


def test_with_the_setting_visitors_add_pictures(settings: Any, readers: dict[str, Reader]):
    for allowed in ("members", "anyone"):
        settings.UPLOADS = allowed
        for method, address in (("GET", "/import/"), ("POST", "/import/file/"), ("POST", "/api/uploads")):
            assert refuses(readers["visitor"].asks(method, address)) == (allowed == "members"), address


def test_a_token_does_what_its_scopes_say(people: dict[str, User]):
    there, nobody = things(people), Reader(None)
    without = {
        scope: bearer(people["admin"], [other for other in Scope.values if other != scope]) for scope in Scope.values
    }
    for route, (method, path, asks) in OPERATIONS.items():
        address = there.at(path.removeprefix("/"))
        if asks is None:
            assert LEAST[route] == "anybody"
            continue
        response = nobody.asks(method, address, without[asks.scope])
        assert (response.status_code, response.json()["code"]) == (403, "scope"), route
        response = nobody.asks(method, address, {"Authorization": "Bearer lka_wrong"})
        assert (response.status_code, response.json()["code"]) == (401, "unauthorized"), route
