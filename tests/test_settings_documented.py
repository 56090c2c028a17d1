"""The README lists every setting that is read, with its default, and none that is not."""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ROOT / "gallery" / "settings.py"
NAME = re.compile(r"\b(?:LOOKALIKE_[A-Z_]+|DATABASE_URL)\b")
ROW = re.compile(r"^\|\s*`([A-Z_]+)`\s*\|([^|]*)\|(.*)\|\s*$", re.MULTILINE)


def read() -> set[str]:
    return set(NAME.findall(SETTINGS.read_text()))


def rows() -> dict[str, tuple[str, str]]:
    """{variable: (default, meaning)} of the configuration table."""
    table = ROW.findall((ROOT / "README.md").read_text())
    return {name: (default.strip(), meaning.strip()) for name, default, meaning in table if NAME.fullmatch(name)}


def test_it_works():
    assert set(rows()) == read() - {"LOOKALIKE_"}


def test_each_is_explained():
    for name, (_, meaning) in rows().items():
        assert len(meaning) > 10, f"{name} is not explained in the README"


def test_the_defaults_are_those_of_the_code():
    told = {name: default.strip("`") for name, (default, _) in rows().items()}
    compared = 0
    for call in ast.walk(ast.parse(SETTINGS.read_text())):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "").startswith("env_") and len(call.args) > 1:
            with suppress(NameError):  # one that is counted at the start, such as the number of cores
                default = eval(ast.unparse(call.args[1]), {"__builtins__": {}})
                assert told[ast.literal_eval(call.args[0])] == str(default)
                compared += 1
    assert compared > 10


def test_no_other_is_named_anywhere():
    for path in [ROOT / "README.md", *ROOT.glob("templates/**/*.html"), *ROOT.glob("*/**/*.py")]:
        if path.is_relative_to(ROOT / "tests") or ".venv" in path.parts:
            continue
        if path.is_relative_to(ROOT / "search" / "client"):  # a program of its own, which runs elsewhere
            continue
        unknown = {name for name in NAME.findall(path.read_text()) if not name.endswith("_")} - read()
        assert not unknown, f"{path.relative_to(ROOT)} names {unknown}"


def test_settings_are_read_in_one_place():
    pattern = re.compile(r"os\.environ(?:\.get\(|\[)[\"'](?:LOOKALIKE_|DATABASE_URL)|env_\w+\(\s*[\"']LOOKALIKE_")
    for app in ("gallery", "search", "ingestion"):
        for path in (ROOT / app).rglob("*.py"):
            if path != SETTINGS:
                assert not pattern.search(path.read_text()), path
