"""A process of the gallery that ends itself with SIGKILL at the n-th step that matters.

Run as ``python tests/ingestion/killed.py``. Everything is imported once; then each line of standard input is one run
in a fork: {"kill": n, "what": "import", "upload", "hold", "keep" or "replace", "path": ...}, where n = 0 is never, and
the last two name the held upload instead of a path. The answer is how it ended, and what it acknowledged. A step is a
flush, rename or removal of a file, or a commit; each counts before and after.
"""

from __future__ import annotations

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
        result = function(*args, **kwargs)
        step()
        return result

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


DEEDS = {"import": do_import, "upload": do_upload, "hold": do_hold, "keep": do_keep, "replace": do_replace}


def run(kill: int, what: str, path: str) -> dict:
    """In a fork."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(into, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        arm(kill)
        status = 1
        try:
            DEEDS[what](path)
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(into)
    with open(out) as said:
        text = said.read()
    return {"status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "said": text}


def main() -> None:
    import django

    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS.append("testserver")
    import gallery.urls  # noqa: F401 - with all that it imports
    import ingestion.tasks  # noqa: F401
    from search.engines import own_engines
    from tests.pictures import encode, photo

    for engine in own_engines().values():
        engine.extract(_picture(encode(photo(0))))  # with what a leaf imports when it is first needed
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
