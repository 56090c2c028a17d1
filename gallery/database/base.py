"""Django's PostgreSQL backend on the embedded server: ``"ENGINE": "gallery.database", "CLUSTER": folder``.

The server starts with the first connection, so that ``check`` and ``help`` never start it; again if it died.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base as postgresql
from django.db.backends.postgresql.client import DatabaseClient as PostgresqlClient
from django.db.utils import DEFAULT_DB_ALIAS
from psycopg import errors, sql

from gallery.database.cluster import PORT, USER, cluster_at
from gallery.database.programs import EmbeddedPostgresError


class DatabaseClient(PostgresqlClient):
    """``manage.py dbshell`` with the psql that belongs to the server: the system may have none."""

    def runshell(self, parameters: Iterable[str]) -> None:
        self.connection.ensure_connection()
        self.connection.close()  # or it would stand in the way of DROP DATABASE
        super().runshell(parameters)

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        command, environment = super().settings_to_cmd_args_env(settings_dict, parameters)
        psql = cluster_at(settings_dict["CLUSTER"]).program("psql")
        return [str(psql) if psql.exists() else command[0], *command[1:]], environment


class DatabaseWrapper(postgresql.DatabaseWrapper):
    client_class = DatabaseClient

    def __init__(self, settings_dict: dict[str, Any], alias: str = DEFAULT_DB_ALIAS) -> None:
        super().__init__(settings_dict, alias)
        if not settings_dict.get("CLUSTER"):
            raise ImproperlyConfigured('DATABASES: gallery.database needs "CLUSTER", the folder of the data.')
        self.cluster = cluster_at(settings_dict["CLUSTER"])
        # Into the settings, because dbshell and its like look there.
        self.settings_dict.update(HOST=str(self.cluster.socket), PORT=PORT, USER=USER)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            self.cluster.attach()
            try:
                return super().get_new_connection(conn_params)
            except psycopg.OperationalError:
                self.cluster.start()
                _create_missing(conn_params)
                return super().get_new_connection(conn_params)
        except EmbeddedPostgresError as error:
            # Whoever is prepared for a database that is away is prepared for this, too.
            raise psycopg.OperationalError(str(error)) from error


def _create_missing(conn_params: dict[str, Any]) -> None:
    """A new cluster has only the database "postgres". We ask, and do not read error messages."""
    name = conn_params["dbname"]
    with psycopg.connect(**{**conn_params, "dbname": "postgres"}, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            with suppress(errors.DuplicateDatabase, errors.UniqueViolation):  # another process was faster
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
