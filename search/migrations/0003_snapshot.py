import uuid

from django.db import migrations, models

# Since now an image in the trash has no features.
FORGET_TRASHED = """
DELETE FROM search_feature USING gallery_image
WHERE gallery_image.id = search_feature.image_id AND gallery_image.trashed_at IS NOT NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("gallery", "0001_initial"), ("search", "0002_change_log")]

    operations = [
        migrations.CreateModel(
            name="Snapshot",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("engine", models.CharField(max_length=32)),
                ("version", models.PositiveIntegerField()),
                ("position", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("engine", "version", "position"), name="snapshot_once")
                ],
            },
        ),
        migrations.RunSQL(FORGET_TRASHED, migrations.RunSQL.noop),
    ]
