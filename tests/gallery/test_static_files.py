"""Static files have names that change with their content, so that browsers may keep them for ever."""

import re
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage

HASHED = re.compile(r"\.[0-9a-f]{12}\.")


def test_it_works():
    assert HASHED.search(staticfiles_storage.url("css/base.css"))


def test_what_a_script_imports_is_hashed_too():
    for script in (settings.BASE_DIR / "static/js").glob("*.js"):
        text = Path(staticfiles_storage.path(staticfiles_storage.stored_name(f"js/{script.name}"))).read_text()
        imported = re.findall(r"""^import [^"']*["'](\./[^"']+)["']""", text, re.MULTILINE)
        assert [name for name in imported if not HASHED.search(name)] == []
