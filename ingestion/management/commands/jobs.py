"""``manage.py jobs``: what is waiting, what failed and why."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from gallery.commands import GalleryCommand
from ingestion.models import Job
from ingestion.tasks import ring

SHOWN = 20


class Command(GalleryCommand):
    help = "Count the jobs by state and list those that failed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--retry", action="store_true", help="Try all failed ones again.")

    def handle(self, *args: Any, retry: bool, **options: Any) -> None:
        if retry:
            self.stdout.write(f"{Job.objects.retry()} jobs are tried again.")
            ring()
        for state, count in Job.objects.counts().items():
            self.stdout.write(f"{state:12} {count}")
        stopped = Job.objects.filter(state__in=("failed", "quarantined")).select_related("image")
        for job in stopped[:SHOWN]:
            self.stderr.write(f"{job.image.name} (image {job.image_id}): {job.error}")
