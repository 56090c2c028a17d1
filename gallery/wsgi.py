"""The application that the web server calls."""

import os
import threading
from functools import partial

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gallery.settings")
application = get_wsgi_application()

from gallery.signals import web_started  # noqa: E402 - after the settings are known

threading.Thread(target=partial(web_started.send_robust, sender=None), name="warm up", daemon=True).start()
