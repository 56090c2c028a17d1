"""A process of the gallery that ends itself with SIGKILL at the n-th step that matters.

Run as ``python tests/ingestion/killed.py``. Everything is imported once; then each line of standard input is one run
in a fork: {"kill": n, "what": "import", "upload", "hold", "keep", "replace" or "sweep", "path": ...}, where n = 0 is
never; "keep" and "replace" name the held upload instead of a path, and "sweep" nothing. The answer is how it ended, and
what it acknowledged. A step is a flush, rename or removal of a file, or a commit: it dies before each, which is after
the one before.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ["DJANGO_SETTINGS_MODULE"] = "gallery.settings"

from tests.ingestion.forked import in_a_fork

_lock = threading.Lock()
_left = 0


def step() -> None:
    global _left
    with _lock:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def counted(function: Callable) -> Callable:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        step()
        return function(*args, **kwargs)

    return wrapper


def arm(kill: int) -> None:
    global _left
    from django.db.backends.base.base import BaseDatabaseWrapper

    _left = kill
    os.fsync, os.replace, os.unlink = counted(os.fsync), counted(os.replace), counted(os.unlink)
    BaseDatabaseWrapper._commit = counted(BaseDatabaseWrapper._commit)


def do_import(path: str) -> None:
    from django.core.management import call_command

    call_command("import", path, wait=True)


def do_upload(path: str) -> None:
    from django.test import Client

    body, headers = Path(path).read_bytes(), {"Accept": "application/json"}
    response = Client().post("/import/file/", body, content_type="application/octet-stream", headers=headers)
    if response.status_code == 201:
        print("acknowledged", file=sys.stderr, flush=True)
    response.close()
    assert response.status_code in (200, 201), response.content


def do_hold(path: str) -> None:
    """Upload what is here in another form."""
    from django.test import Client

    body, headers = Path(path).read_bytes(), {"Accept": "application/json"}
    response = Client().post("/import/file/", body, content_type="application/octet-stream", headers=headers)
    if response.status_code == 202:
        print("acknowledged", file=sys.stderr, flush=True)
    response.close()
    assert response.status_code == 202, response.content


def do_keep(token: str) -> None:
    from django.test import Client

    response = Client().post(f"/import/held/{token}/keep/", headers={"Accept": "application/json"})
    if response.status_code == 201:
        print("acknowledged", file=sys.stderr, flush=True)
    assert response.status_code == 201, response.content


def do_replace(token_and_image: str) -> None:
    from gallery.models import User
    from ingestion import decisions
    from ingestion.models import HeldUpload

    token, image = token_and_image.split()
    decisions.replace(HeldUpload.objects.get(token=token), int(image), User.objects.get(is_staff=True))
    print("acknowledged", file=sys.stderr, flush=True)


def do_sweep(_: str) -> None:
    from ingestion.models import sweep_held

    list(sweep_held())


DEEDS = {
    "import": do_import,
    "upload": do_upload,
    "hold": do_hold,
    "keep": do_keep,
    "replace": do_replace,
    "sweep": do_sweep,
}


def run(kill: int, what: str, path: str) -> dict:
    def deed() -> None:
        arm(kill)
        DEEDS[what](path)

    return in_a_fork(deed)


def main() -> None:
    import django

    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS.append("testserver")
    import django.test
    import faiss  # noqa: F401
    from django.contrib.messages.storage import fallback  # noqa: F401
    from django.core.handlers.wsgi import WSGIHandler
    from django.core.management import load_command_class
    from django.db.migrations.loader import MigrationLoader
    from PIL import Image

    import gallery.urls  # noqa: F401 - with all that it imports
    import ingestion.tasks  # noqa: F401
    import search.indexes._scan
    import search.indexes.keypoint_index  # noqa: F401
    from ingestion.annotators import all_annotators
    from search.engines import own_engines
    from tests.pictures import encode, photo

    MigrationLoader(None)
    load_command_class("ingestion", "import")
    all_annotators()
    WSGIHandler()  # with its middleware
    Image.init()
    for engine in own_engines().values():
        engine.extract(_picture(encode(photo(0))))  # with what a leaf imports when it is first needed
    gc.freeze()  # a collection in a fork would copy all of this
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)


def _picture(data: bytes) -> Any:
    """Decoded here: no child process, no thread may be alive when we fork."""
    import io

    import numpy as np
    from PIL import Image

    from gallery.pictures import Picture

    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return Picture(pixels, pixels.shape[1], pixels.shape[0], "JPEG")


if __name__ == "__main__":
    main()
