from __future__ import annotations

from django.core.management import call_command
from huey import crontab
from huey.contrib.djhuey import db_periodic_task


@db_periodic_task(crontab(hour="3", minute="17"))
def forget_sessions() -> None:
    """Once a day: sessions that are over."""
    call_command("clearsessions")
