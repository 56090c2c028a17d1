"""The change log: filled by PostgreSQL itself, in the order of commits.

Sequence numbers are drawn in any order and committed in another, so "everything after the last number I saw" would
miss rows for ever. The trigger is deferred to the commit and takes a lock that is held until the commit is done:
whoever draws a number commits before the next number is drawn.
"""

from django.db import migrations

FORWARD = """
CREATE SEQUENCE search_change_order;

CREATE FUNCTION search_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    feature record;
BEGIN
    IF TG_OP = 'DELETE' THEN feature := OLD; ELSE feature := NEW; END IF;
    PERFORM pg_advisory_xact_lock(7341);
    INSERT INTO search_change (engine, version, image_id, seq)
    VALUES (feature.engine, feature.version, feature.image_id, nextval('search_change_order'))
    ON CONFLICT (engine, version, image_id) DO UPDATE SET seq = excluded.seq;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER search_log_change
AFTER INSERT OR UPDATE OR DELETE ON search_feature
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION search_log_change();
"""

BACKWARD = """
DROP TRIGGER search_log_change ON search_feature;
DROP FUNCTION search_log_change();
DROP SEQUENCE search_change_order;
"""


class Migration(migrations.Migration):
    dependencies = [("search", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
