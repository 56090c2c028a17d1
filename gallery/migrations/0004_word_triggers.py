from django.db import migrations

# Everything here holds whoever writes: pages, annotators, imports, the admin, a merge. Images are locked in the order
# of their ids, as all do. A statement that moves a word from one image to another changes both.

TAGS = """
CREATE FUNCTION gallery_tags_of(image bigint) RETURNS integer[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(DISTINCT tag ORDER BY tag), '{}') FROM (
        SELECT tag_id::integer AS tag FROM gallery_imagetag WHERE image_id = image AND shown
        UNION
        SELECT implied.implied_id::integer FROM gallery_imagetag word
        JOIN gallery_impliedtag implied ON implied.tag_id = word.tag_id
        WHERE word.image_id = image AND word.shown AND NOT EXISTS (
            SELECT FROM gallery_imagetag other
            WHERE other.image_id = image AND other.tag_id = implied.implied_id AND other.state = 'rejected'
        )
    ) found
$$;

CREATE FUNCTION gallery_refresh_tags(images bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM gallery_image WHERE id = ANY(images) ORDER BY id FOR NO KEY UPDATE;
    UPDATE gallery_image image SET tag_ids = now.tags
    FROM (SELECT id, gallery_tags_of(id) AS tags FROM unnest(images) AS each (id)) now
    WHERE image.id = now.id AND image.tag_ids <> now.tags;
END $$;

CREATE FUNCTION gallery_tags_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM gallery_refresh_tags(ARRAY(SELECT DISTINCT image_id FROM fresh));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM gallery_refresh_tags(ARRAY(SELECT DISTINCT image_id FROM old));
    ELSE
        -- Most updates change neither: a line that moves by a little, an opinion about what was shown before.
        PERFORM gallery_refresh_tags(ARRAY(
            SELECT before.image_id FROM old before JOIN fresh after USING (id)
            WHERE (before.image_id, before.tag_id, before.shown, before.state)
                IS DISTINCT FROM (after.image_id, after.tag_id, after.shown, after.state)
            UNION
            SELECT after.image_id FROM old before JOIN fresh after USING (id)
            WHERE before.image_id <> after.image_id
        ));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tag_added AFTER INSERT ON gallery_imagetag
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION gallery_tags_changed();
CREATE TRIGGER tag_changed AFTER UPDATE ON gallery_imagetag
    REFERENCING OLD TABLE AS old NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION gallery_tags_changed();
CREATE TRIGGER tag_removed AFTER DELETE ON gallery_imagetag
    REFERENCING OLD TABLE AS old FOR EACH STATEMENT EXECUTE FUNCTION gallery_tags_changed();

CREATE FUNCTION gallery_implications_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM gallery_impliedtag;
    INSERT INTO gallery_impliedtag (tag_id, implied_id)
    WITH RECURSIVE step (tag_id, implied_id) AS (
        SELECT tag_id, implied_id FROM gallery_tagimplication
        UNION
        SELECT step.tag_id, further.implied_id FROM step JOIN gallery_tagimplication further ON further.tag_id = step.implied_id
    ) SELECT tag_id, implied_id FROM step WHERE tag_id <> implied_id;
    RETURN NULL;
END $$;
CREATE TRIGGER implications_changed AFTER INSERT OR UPDATE OR DELETE ON gallery_tagimplication
    FOR EACH STATEMENT EXECUTE FUNCTION gallery_implications_changed();
"""
NO_TAGS = """
DROP TRIGGER implications_changed ON gallery_tagimplication;
DROP TRIGGER tag_removed ON gallery_imagetag;
DROP TRIGGER tag_changed ON gallery_imagetag;
DROP TRIGGER tag_added ON gallery_imagetag;
DROP FUNCTION gallery_implications_changed, gallery_tags_changed, gallery_refresh_tags, gallery_tags_of;
"""

# How many pictures have a tag. Each statement notes what it changes; gallery.tags.fold_tallies adds that up.
TALLIES = """
CREATE FUNCTION gallery_tally() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO gallery_tagtally (tag_id, change)
        SELECT tag, count(*) FROM fresh, unnest(tag_ids) tag
        WHERE state = 'ready' AND trashed_at IS NULL GROUP BY tag;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO gallery_tagtally (tag_id, change)
        SELECT tag, -count(*) FROM old, unnest(tag_ids) tag
        WHERE state = 'ready' AND trashed_at IS NULL GROUP BY tag;
    ELSE
        INSERT INTO gallery_tagtally (tag_id, change)
        SELECT tag, sum(change) FROM (
            SELECT before.id, before.tag_ids AS was, after.tag_ids AS now,
                before.state = 'ready' AND before.trashed_at IS NULL AS was_visible,
                after.state = 'ready' AND after.trashed_at IS NULL AS is_visible
            FROM old before JOIN fresh after USING (id)
            WHERE (before.tag_ids, before.state, before.trashed_at)
                IS DISTINCT FROM (after.tag_ids, after.state, after.trashed_at)
        ) image, LATERAL (
            SELECT unnest(was) AS tag, -1 AS change WHERE was_visible
            UNION ALL SELECT unnest(now), 1 WHERE is_visible
        ) each
        GROUP BY tag HAVING sum(change) <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER image_added AFTER INSERT ON gallery_image
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION gallery_tally();
CREATE TRIGGER image_changed AFTER UPDATE ON gallery_image
    REFERENCING OLD TABLE AS old NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION gallery_tally();
CREATE TRIGGER image_removed AFTER DELETE ON gallery_image
    REFERENCING OLD TABLE AS old FOR EACH STATEMENT EXECUTE FUNCTION gallery_tally();
"""
NO_TALLIES = """
DROP TRIGGER image_added ON gallery_image;
DROP TRIGGER image_changed ON gallery_image;
DROP TRIGGER image_removed ON gallery_image;
DROP FUNCTION gallery_tally;
"""

# With the locale C, PostgreSQL takes each sign outside of ASCII for a letter, so that “cat” would be a word with quotes:
# signs are told by their numbers, the same under every locale (search/wording.py does it to queries).
# PostgreSQL reads "sea_and-sun.jpg" as one word, a file: names are taken apart before. A folder of the server is
# nobody's business but the staff's, so it is not among the words that everybody may search.
DOCUMENTS = """
INSERT INTO gallery_textlanguage (id, language) VALUES (true, 'english');

CREATE FUNCTION gallery_language() RETURNS regconfig LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT language FROM gallery_textlanguage), 'english')::regconfig
$$;

CREATE FUNCTION gallery_plain(text text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT regexp_replace(
        translate(text, '’ʼ＇', $q$'''$q$),
        '[\\u0080-\\u00a9\\u00ab-\\u00b1\\u00b4\\u00b6-\\u00b8\\u00bb\\u00bf\\u00d7\\u00f7\\u05be\\u05c0\\u05c3\\u060c\\u061b'
        '\\u061f\\u06d4\\u0964\\u0965\\u2000-\\u200b\\u200e-\\u2bff\\u2e00-\\u2e7f\\u3000-\\u3004\\u3008-\\u3020\\u3030\\u30fb'
        '\\ufe10-\\ufe1f\\ufe30-\\ufe6f\\uff01-\\uff0f\\uff1a-\\uff20\\uff3b-\\uff40\\uff5b-\\uff65\\uffe0-\\ufffd'
        '\\U0001f000-\\U0001faff]',
        ' ', 'g')
$$;

CREATE FUNCTION gallery_words_of_name(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT translate(regexp_replace(gallery_plain(name), '\\.[A-Za-z0-9]{1,5}$', ''), '_-.+~', '     ')
$$;

CREATE FUNCTION gallery_cut(text text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- A tsvector has room for 1 MB. Each of four parts gets 64,000 bytes: compounds are kept as a whole and in their
    -- parts, which takes three times and a half as much at most. A letter has 1, 2, or up to 4 bytes.
    SELECT CASE
        WHEN octet_length(left(text, 50000)) <= 64000 THEN left(text, 50000)
        WHEN octet_length(left(text, 32000)) <= 64000 THEN left(text, 32000)
        ELSE left(text, 16000)
    END
$$;

CREATE FUNCTION gallery_lexemes(language regconfig, text text, weight "char") RETURNS tsvector LANGUAGE sql STABLE AS $$
    SELECT setweight(to_tsvector(language, gallery_plain(gallery_cut(coalesce(text, '')))), weight)
$$;

CREATE FUNCTION gallery_document(image bigint, name text) RETURNS tsvector LANGUAGE sql STABLE AS $$
    SELECT gallery_lexemes(language, concat_ws(' ; ', gallery_words_of_name(name), (
            SELECT string_agg(nullif(title, ''), ' ; ' ORDER BY id) FROM gallery_imagesource WHERE image_id = image
        )), 'A')
        || gallery_lexemes(language, (
            SELECT string_agg(DISTINCT text, ' ; ') FROM gallery_caption WHERE image_id = image AND shown
        ), 'B')
        || gallery_lexemes(language, (
            SELECT string_agg(concat_ws(' ; ', nullif(author, ''), nullif(licence, ''),
                CASE WHEN kind NOT IN ('folder', 'upload') THEN translate(address, '/_-.:?=&%#+~', '            ') END
            ), ' ; ' ORDER BY id)
            FROM gallery_imagesource WHERE image_id = image
        ), 'C')
        || gallery_lexemes(language, (
            SELECT string_agg(text, ' ; ' ORDER BY id) FROM gallery_ocrtext WHERE image_id = image AND shown
        ), 'D')
    FROM gallery_language() language
$$;

CREATE FUNCTION gallery_refresh_documents(images bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM gallery_image WHERE id = ANY(images) ORDER BY id FOR NO KEY UPDATE;
    UPDATE gallery_image SET document = gallery_document(id, name) WHERE id = ANY(images);
END $$;

CREATE FUNCTION gallery_texts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM gallery_refresh_documents(ARRAY(SELECT DISTINCT image_id FROM fresh));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM gallery_refresh_documents(ARRAY(SELECT DISTINCT image_id FROM old));
    ELSE
        PERFORM gallery_refresh_documents(ARRAY(SELECT image_id FROM old UNION SELECT image_id FROM fresh));
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION gallery_named() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN  -- nothing is said of it yet
        NEW.document := gallery_lexemes(gallery_language(), gallery_words_of_name(NEW.name), 'A');
    ELSE
        NEW.document := gallery_document(NEW.id, NEW.name);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER image_named BEFORE INSERT ON gallery_image
    FOR EACH ROW EXECUTE FUNCTION gallery_named();
CREATE TRIGGER image_renamed BEFORE UPDATE OF name ON gallery_image
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION gallery_named();
"""
NO_DOCUMENTS = """
DROP TRIGGER image_named ON gallery_image;
DROP TRIGGER image_renamed ON gallery_image;
DROP FUNCTION gallery_named, gallery_texts_changed, gallery_refresh_documents, gallery_document, gallery_lexemes,
    gallery_cut, gallery_words_of_name, gallery_plain, gallery_language;
DELETE FROM gallery_textlanguage;
"""

# 0002 keeps Image.caption of the images that captions are with afterwards; one that loses its caption changes as well.
CAPTIONS = """
CREATE FUNCTION gallery_caption_moved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    images bigint[] := ARRAY(SELECT image_id FROM old UNION SELECT image_id FROM fresh);
BEGIN
    PERFORM 1 FROM gallery_image WHERE id = ANY(images) ORDER BY id FOR NO KEY UPDATE;
    UPDATE gallery_image image SET caption = best.text
    FROM (
        SELECT each.id, coalesce((
            SELECT text FROM gallery_caption word WHERE word.image_id = each.id AND word.shown
            ORDER BY word.origin = 'person' DESC, word.state = 'accepted' DESC, word.confidence DESC NULLS LAST, word.id DESC
            LIMIT 1
        ), '') AS text
        FROM unnest(images) AS each (id)
    ) best
    WHERE image.id = best.id AND image.caption <> best.text;
    RETURN NULL;
END $$;
DROP TRIGGER caption_changed ON gallery_caption;
CREATE TRIGGER caption_changed AFTER UPDATE ON gallery_caption
    REFERENCING OLD TABLE AS old NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION gallery_caption_moved();
"""
NO_CAPTIONS = """
DROP TRIGGER caption_changed ON gallery_caption;
DROP FUNCTION gallery_caption_moved;
CREATE TRIGGER caption_changed AFTER UPDATE ON gallery_caption
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION gallery_caption_changed();
"""

TEXTS = {"source_text": "gallery_imagesource", "caption_text": "gallery_caption", "ocr_text": "gallery_ocrtext"}
KEEP = "".join(
    f"""
CREATE TRIGGER {name}_added AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION gallery_texts_changed();
CREATE TRIGGER {name}_changed AFTER UPDATE ON {table}
    REFERENCING OLD TABLE AS old NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION gallery_texts_changed();
CREATE TRIGGER {name}_removed AFTER DELETE ON {table}
    REFERENCING OLD TABLE AS old FOR EACH STATEMENT EXECUTE FUNCTION gallery_texts_changed();
"""
    for name, table in TEXTS.items()
)
NO_KEEP = "".join(
    f"""
DROP TRIGGER {name}_added ON {table};
DROP TRIGGER {name}_changed ON {table};
DROP TRIGGER {name}_removed ON {table};
"""
    for name, table in TEXTS.items()
)

WHAT_IS_HERE = """
UPDATE gallery_image SET tag_ids = gallery_tags_of(id), document = gallery_document(id, name);
"""


class Migration(migrations.Migration):
    dependencies = [("gallery", "0003_word_search")]

    operations = [
        migrations.RunSQL(TAGS, NO_TAGS),
        migrations.RunSQL(TALLIES, NO_TALLIES),
        migrations.RunSQL(DOCUMENTS, NO_DOCUMENTS),
        migrations.RunSQL(CAPTIONS, NO_CAPTIONS),
        migrations.RunSQL(KEEP, NO_KEEP),
        migrations.RunSQL(WHAT_IS_HERE, migrations.RunSQL.noop),
    ]
