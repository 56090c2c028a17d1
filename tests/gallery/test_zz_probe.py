import time
import pytest
from django.db import connection
from gallery.models import Image
from gallery.paging import Order
def test_x(transactional_db):
    with connection.cursor() as c:
        c.execute("""insert into gallery_image(sha256,name,format,bytes,width,height,exif,palette,placeholder,state)
        select md5(i::text)||md5(i::text), i||'.jpg','JPEG',1000,400, 300,jsonb_build_object('a', (select string_agg(md5((i*j)::text),'') from generate_series(1,25) j)),'[]',decode(repeat('ab',120),'hex'), 'ready' from generate_series(1,200000) i""")
        c.execute("vacuum analyze gallery_image")
    V = Image.objects.visible_to(None)
    for sort in ("newest", "random"):
        o = Order(sort, 5)
        im = o.of(V)[150000]
        q = o.after(V, o.cursor(im))
        print(q[:61].explain(analyze=True))
        q2 = o.of(Image.objects.filter(pk__in=q.values("pk")[:61]))
        print(q2.explain(analyze=True))
        assert list(q2) == list(q[:61])
        for x in (q[:61], q2, q[:61], q2):
            t=time.perf_counter(); len(x.all()); print(time.perf_counter()-t)
