"""The gallery with 100,000 images: pages, searches and memory, through the real web server and worker."""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil

from tests.bench.own_gallery import own_gallery

IMAGES = int(os.environ.get("BENCH_IMAGES", "100000"))
PORT = 8765
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    with own_gallery():
        server = subprocess.Popen([sys.executable, "manage.py", "run", "--port", str(PORT)], cwd=ROOT)
        try:
            wait_for_server()
            print_memory(server, "after start, empty gallery")
            started = time.perf_counter()
            make_images()
            print(f"made {IMAGES:,} images in {time.perf_counter() - started:.0f} s")
            warm_up()
            print_memory(server, f"with {IMAGES:,} images, after searches")
            measure_pages()
        finally:
            server.terminate()
            server.wait()


def make_images() -> None:
    """Rows only: no files, random features. A ratio and a placeholder like those of photographs."""
    from django.db import connection

    from gallery import renditions
    from gallery.pictures import Picture
    from search.engines import own_engines
    from search.proven import versions

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    placeholder = renditions.placeholder(Picture(pixels, 16, 12, "JPEG", {}))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO gallery_image (sha256, name, format, bytes, width, height, exif, palette, placeholder, state)"
            " SELECT encode(sha256(n::text::bytea), 'hex'), n || '.jpg', 'JPEG', 200000 + n, 400 + n %% 1600,"
            " 400 + (n * 7) %% 1300, '{}', '[]', %s, 'ready' FROM generate_series(1, %s) n",
            [placeholder, IMAGES],
        )
        for name, engine in own_engines().items():
            feature = engine.extract(Picture(np.kron(pixels, np.ones((8, 8, 1), np.uint8)), 128, 96, "JPEG", {}))
            with cursor.copy("COPY search_feature (image_id, engine, version, data) FROM STDIN") as copy:
                for image_id in range(1, IMAGES + 1):
                    copy.write_row((image_id, name, engine.version, _random_feature(name, feature, rng)))
        # Duplicates of them were looked for already, as in any gallery that was left alone for a day.
        cursor.execute(
            "INSERT INTO search_examination (image_id, versions, notice)"
            " SELECT n, %s, '' FROM generate_series(1, %s) n",
            [versions(), IMAGES],
        )
        cursor.execute("ANALYZE")


def _random_feature(name: str, feature: bytes, rng: np.random.Generator) -> bytes:
    from search.keypoints import Keypoints, pack

    if name == "phash":
        return rng.bytes(72) + feature[72:]
    if name != "local_features":
        return rng.bytes(len(feature))
    places = (rng.random((250, 4)) * (640, 480, 20, 360)).astype(np.float32)
    descriptors = rng.integers(0, 120, (250, 128), dtype=np.uint8)
    return pack(Keypoints(640, 480, places, descriptors, np.zeros((48, 64), np.uint8)))


def wait_for_server() -> None:
    for _ in range(300):
        try:
            get("/health/live")
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


def get(path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def warm_up() -> None:
    for _ in range(3):
        started = time.perf_counter()
        status = get("/search/like/1/")
        print(f"search by id, status {status}: {time.perf_counter() - started:.2f} s (the first builds the indexes)")
    get("/")


def measure_pages() -> None:
    from gallery.models import Image

    thousandth = Image.objects.order_by("-id").values_list("pk", flat=True)[60 * 999]
    largest = Image.objects.order_by("-pixels", "-id")[60 * 999]
    pages = {
        "first page": "/",
        "page 1,000": f"/?after={thousandth}",
        "largest, first page": "/?sort=largest",
        "largest, page 1,000": f"/?sort=largest&after={largest.pixels}.{largest.pk}",
        "random, first page": "/?sort=random&seed=7",
        "image page": f"/image/{thousandth}/",
        "search by id": f"/search/like/{thousandth}/",
        "bare response (baseline)": "/health/live",
    }
    print(f"{'page':26} {'clients':>7} {'median ms':>10} {'p99 ms':>8} {'a second':>9} {'errors':>6}")
    for name, path in pages.items():
        for clients in (1, 16):
            row = load(path, clients, requests=100 if clients == 1 else 320)
            print(f"{name:26} {clients:7} {row[0]:10.1f} {row[1]:8.1f} {row[2]:9.0f} {row[3]:6}", flush=True)


def load(path: str, clients: int, requests: int) -> tuple[float, float, float, int]:
    """(median ms, p99 ms, requests a second, errors). The clients share the cores with the server."""

    def one(_: int) -> tuple[float, int]:
        started = time.perf_counter()
        status = get(path)
        return time.perf_counter() - started, status

    one(0)
    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        results = list(pool.map(one, range(requests)))
    wall = time.perf_counter() - started
    times = sorted(1000 * seconds for seconds, _ in results)
    return statistics.median(times), times[int(0.99 * len(times))], requests / wall, sum(s != 200 for _, s in results)


def print_memory(server: subprocess.Popen, when: str) -> None:
    """Proportional set size: memory shared between processes is counted once."""
    print(f"memory {when}:")
    for process in [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]:
        command = " ".join(process.cmdline())
        kinds = {"run_huey": "worker", "granian": "web", "gallery.decoder": "decoder", "manage.py run ": "supervisor"}
        name = next((kind for word, kind in kinds.items() if word in command), "")
        if name:
            print(f"  {name:12} {process.memory_full_info().pss / 2**20:7.0f} MiB")


if __name__ == "__main__":
    main()
