"""Private pictures count nowhere; who uploaded a picture owns it; allowances need no log."""

from django.db import migrations, models

TALLIES = """
CREATE OR REPLACE FUNCTION gallery_tally() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO gallery_tagtally (tag_id, change)
        SELECT tag, count(*) FROM fresh, unnest(tag_ids) tag
        WHERE state = 'ready' AND trashed_at IS NULL AND NOT private GROUP BY tag;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO gallery_tagtally (tag_id, change)
        SELECT tag, -count(*) FROM old, unnest(tag_ids) tag
        WHERE state = 'ready' AND trashed_at IS NULL AND NOT private GROUP BY tag;
    ELSE
        INSERT INTO gallery_tagtally (tag_id, change)
        SELECT tag, sum(change) FROM (
            SELECT before.id, before.tag_ids AS was, after.tag_ids AS now,
                before.state = 'ready' AND before.trashed_at IS NULL AND NOT before.private AS was_visible,
                after.state = 'ready' AND after.trashed_at IS NULL AND NOT after.private AS is_visible
            FROM old before JOIN fresh after USING (id)
            WHERE (before.tag_ids, before.state, before.trashed_at, before.private)
                IS DISTINCT FROM (after.tag_ids, after.state, after.trashed_at, after.private)
        ) image, LATERAL (
            SELECT unnest(was) AS tag, -1 AS change WHERE was_visible
            UNION ALL SELECT unnest(now), 1 WHERE is_visible
        ) each
        GROUP BY tag HAVING sum(change) <> 0;
    END IF;
    RETURN NULL;
END $$;
"""
OWNERS = """
INSERT INTO gallery_image_owners (image_id, user_id)
SELECT DISTINCT image_id, by_id FROM gallery_imagesource WHERE by_id IS NOT NULL AND kind = 'upload'
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("gallery", "0008_accounts")]

    operations = [
        migrations.RunSQL(TALLIES, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="image",
            index=models.Index("id", condition=models.Q(private=True), name="image_private"),
        ),
        migrations.AlterField(
            model_name="edit",
            name="kind",
            field=models.CharField(
                choices=[
                    ("tag", "tag"),
                    ("caption", "caption"),
                    ("text", "text in the picture"),
                    ("trash", "trash"),
                    ("private", "who sees it"),
                ],
                max_length=8,
            ),
        ),
        migrations.RunSQL(OWNERS, migrations.RunSQL.noop),
        migrations.RunSQL("ALTER TABLE gallery_allowance SET UNLOGGED", "ALTER TABLE gallery_allowance SET LOGGED"),
    ]
