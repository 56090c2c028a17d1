"""The tables of the queue. huey would make them when a process starts; here they come with the schema."""

from django.db import migrations


def create_tables(apps, schema_editor):
    from huey.contrib.djhuey import HUEY

    for statement in HUEY.storage.ddl:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("ingestion", "0001_initial")]

    operations = [migrations.RunPython(create_tables, migrations.RunPython.noop)]
