"""The base of our commands: a gallery that was never started before is made ready first."""

from __future__ import annotations

from typing import Any

from django.core.checks import Tags
from django.core.checks.registry import registry
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

MIGRATE_LOCK = 7344


class GalleryCommand(BaseCommand):
    """A command that reads or writes the gallery."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            migrate()
        except OperationalError as error:
            raise CommandError(f"The database cannot be reached: {error}") from error
        return super().execute(*args, **options)

    def get_check_kwargs(self, options: dict[str, Any]) -> dict[Any, Any]:
        """Not those of addresses: they load every page and the whole API, which takes as long as all the rest."""
        return {"tags": registry.tags_available() - {Tags.urls}}


def migrate() -> None:
    """Bring the schema up to date. Two processes may do so at once. CommandError if the schema is newer than we."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATE_LOCK])
        try:
            executor = MigrationExecutor(connection)
            _refuse_newer(executor)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                call_command("migrate", verbosity=0, interactive=False)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATE_LOCK])


def _refuse_newer(executor: MigrationExecutor) -> None:
    ours = {"gallery", "search", "ingestion"}
    known = set(executor.loader.disk_migrations)
    unknown = [
        f"{app}.{name}" for app, name in executor.loader.applied_migrations if app in ours and (app, name) not in known
    ]
    if unknown:
        raise CommandError(
            f"This database was written by a newer version of Lookalike ({', '.join(unknown)}). "
            "Start that version, or restore a backup of the older one."
        )
