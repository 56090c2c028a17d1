import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

# A posting goes with its text, whoever writes that: it is hidden, moved and removed in the same statement, and empty as
# soon as the text is another. Words are written by search.ocr_words, which locks the posting before it reads the text:
# a change that it did not see waits for that lock and empties the posting after it.
POSTINGS = """
CREATE FUNCTION search_ocr_texts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO search_ocrposting (text_id, image_id, shown) SELECT id, image_id, shown FROM fresh;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM search_ocrposting posting USING old before WHERE posting.text_id = before.id;
    ELSE
        UPDATE search_ocrposting posting SET image_id = after.image_id, shown = after.shown,
            word_ids = CASE WHEN before.text = after.text AND before.words = after.words THEN posting.word_ids END
        FROM old before JOIN fresh after USING (id)
        WHERE posting.text_id = after.id
            AND (before.image_id, before.shown, before.text, before.words)
                IS DISTINCT FROM (after.image_id, after.shown, after.text, after.words);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ocr_posting_added AFTER INSERT ON gallery_ocrtext
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION search_ocr_texts_changed();
CREATE TRIGGER ocr_posting_changed AFTER UPDATE ON gallery_ocrtext
    REFERENCING OLD TABLE AS old NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION search_ocr_texts_changed();
CREATE TRIGGER ocr_posting_removed AFTER DELETE ON gallery_ocrtext
    REFERENCING OLD TABLE AS old FOR EACH STATEMENT EXECUTE FUNCTION search_ocr_texts_changed();

INSERT INTO search_ocrposting (text_id, image_id, shown) SELECT id, image_id, shown FROM gallery_ocrtext;
"""
NO_POSTINGS = """
DROP TRIGGER ocr_posting_removed ON gallery_ocrtext;
DROP TRIGGER ocr_posting_changed ON gallery_ocrtext;
DROP TRIGGER ocr_posting_added ON gallery_ocrtext;
DROP FUNCTION search_ocr_texts_changed;
"""

# Row i of the alternatives: what may stand at place i. Rows are of one length: the last one is repeated.
SIDE_BY_SIDE = """
CREATE FUNCTION search_side_by_side(words integer[], alternatives integer[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    places integer := array_length(alternatives, 1);
    place integer;
BEGIN
    FOR start IN 1 .. coalesce(cardinality(words), 0) - places + 1 LOOP
        place := 1;
        WHILE place <= places AND words[start + place - 1] = ANY (alternatives[place:place]) LOOP
            place := place + 1;
        END LOOP;
        IF place > places THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("gallery", "0004_word_triggers"), ("search", "0008_saved_searches")]

    operations = [
        migrations.CreateModel(
            name="OcrWord",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                (
                    "word",
                    models.TextField(
                        db_collation="C", help_text="In code point order, so that one index finds beginnings too."
                    ),
                ),
                (
                    "latin",
                    models.TextField(
                        db_collation="C", default="", help_text="In Latin letters, where that is another word."
                    ),
                ),
                (
                    "keys",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, help_text="search.phonetic.keys", size=None
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("word",), name="ocr_word_once")],
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(fields=["keys"], name="ocr_word_keys", fastupdate=False),
                    models.Index(
                        condition=models.Q(("latin", ""), _negated=True), fields=["latin"], name="ocr_word_latin"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OcrPosting",
            fields=[
                (
                    "text",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="gallery.ocrtext",
                    ),
                ),
                ("shown", models.BooleanField()),
                (
                    "word_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(),
                        help_text="Of OcrWord; null: the text was not read yet.",
                        null=True,
                        size=None,
                    ),
                ),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="gallery.image"
                    ),
                ),
            ],
            options={
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        condition=models.Q(("shown", True)),
                        fastupdate=False,
                        fields=["word_ids"],
                        name="ocr_posting_words",
                    ),
                    models.Index(
                        condition=models.Q(("word_ids__isnull", True)), fields=["text"], name="ocr_posting_unread"
                    ),
                ],
            },
        ),
        migrations.RunSQL(POSTINGS, NO_POSTINGS),
        migrations.RunSQL(SIDE_BY_SIDE, "DROP FUNCTION search_side_by_side"),
    ]
