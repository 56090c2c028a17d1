"""The application that the web server calls."""

import gc
import os
import threading

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gallery.settings")
django = get_wsgi_application()

from gallery.admission import Admission  # noqa: E402 - after the settings are known
from gallery.signals import web_started  # noqa: E402

application = Admission(django)


def warm_up() -> None:
    web_started.send_robust(sender=None)
    # What stays for ever (libraries, templates, indexes) is not looked through for garbage with every tenth page.
    gc.collect()
    gc.freeze()


threading.Thread(target=warm_up, name="warm up", daemon=True).start()
