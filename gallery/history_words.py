"""What an edit did, in words that follow a name: "alice" "added the tag “sea”". Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

State = dict[str, Any]
_LONGEST = 200

_TAG = {
    ("", "accepted"): "added",
    ("", "rejected"): "removed",
    ("suggested", "accepted"): "accepted",
    ("rejected", "accepted"): "brought back",
    ("accepted", "rejected"): "removed",
    ("suggested", "rejected"): "rejected",
    ("accepted", ""): "took away",
    ("rejected", ""): "forgot that somebody had rejected",
    ("accepted", "suggested"): "took back that somebody had accepted",
    ("rejected", "suggested"): "took back that somebody had rejected",
}
_SAID = {
    "accepted": "accepted",
    "rejected": "rejected",
    "suggested": "took back a decision about",
}


def said(kind: str, about: str, before: State, after: State) -> str:
    """``before`` and ``after``: as in gallery/word_states.py."""
    return _KINDS[kind](about, before, after)


def quoted(text: str) -> str:
    return f"“{text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}”"


def _tag(name: str, before: State, after: State) -> str:
    verb = _TAG.get((before["state"], after["state"]), "decided about")
    return f"{verb} the tag {quoted(name)}"


def _caption(about: str, before: State, after: State) -> str:
    parts = [_own(before["own"], after["own"])] if "own" in after and _text_of(before) != _text_of(after) else []
    if "said" in after and before["said"]["state"] != after["said"]["state"]:
        verb = _SAID.get(after["said"]["state"], "decided about")
        parts.append(f"{verb} the suggested caption {quoted(after['said']['text'])}")
    return " and ".join(parts) or f"decided about the caption {quoted(about)}"


def _text_of(state: State) -> tuple[str, str] | None:
    return (state["own"]["text"], state["own"]["state"]) if state["own"] else None


def _own(before: State | None, after: State | None) -> str:
    was = before["text"] if before and before["state"] == "accepted" else ""
    now = after["text"] if after and after["state"] == "accepted" else ""
    if was and now:
        return f"changed the caption from {quoted(was)} to {quoted(now)}"
    return f"wrote the caption {quoted(now)}" if now else f"removed the caption {quoted(was)}"


def _text(about: str, before: State, after: State) -> str:
    return f"{_SAID.get(after['state'], 'decided about')} the text in the picture, {quoted(about)}"


def _trash(about: str, before: State, after: State) -> str:
    return "moved the picture to the trash" if after["trashed_at"] else "took the picture out of the trash"


def _private(about: str, before: State, after: State) -> str:
    return "made the picture private" if after["private"] else "showed the picture to everybody"


_KINDS: dict[str, Callable[[str, State, State], str]] = {
    "tag": _tag,
    "caption": _caption,
    "text": _text,
    "trash": _trash,
    "private": _private,
}
