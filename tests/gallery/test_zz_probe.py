import pytest
from django.db import connection
from gallery.models import Image
from gallery.paging import Order
def rows(n, same):
    with connection.cursor() as c:
        c.execute("""insert into gallery_image(sha256,name,format,bytes,width,height,exif,palette,placeholder,state)
        select md5(i::text)||md5(i::text), i||'.jpg','JPEG',1000,%s, 300,'{}','[]','', 'ready' from generate_series(1,%s) i""" % ("400" if same else "100+i%%700", "%s"), [n])
        c.execute("analyze gallery_image")
@pytest.mark.parametrize("same",[True,False])
def test_x(db, same):
    rows(20000, same)
    V = Image.objects.visible_to(None)
    for sort in ("newest","oldest","largest","random"):
        o = Order(sort, 5)
        im = o.of(V)[15000]
        q = o.after(V, o.cursor(im))[:61]
        print(sort, same); print(q.query); print(q.explain(analyze=True, buffers=True))
        q = o.before(V, o.cursor(im))[:1]
        print(q.explain(analyze=True))
