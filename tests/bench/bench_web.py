"""The web server with BENCH_IMAGES images: pages and searches for 1, 16 and 64 clients, and a flood of five times what
it can carry. The clients are a process of their own, on the same cores: what the server itself took is CPU time."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.bench import bench_scale
from tests.bench.own_gallery import own_gallery

IMAGES = int(os.environ.get("BENCH_IMAGES", "100000"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
FLOOD = 30 * SECONDS / 10
PHOTOGRAPHS = 24
"""Images that have files: those that are searched with."""
CLIENTS = (1, 16, 64)
WANTED = {"gallery page": 100.0, "search by id": 40.0}
"""A second."""
PORT = bench_scale.PORT
Outcomes = list[tuple[int, float, bool]]


class Clients:
    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.bench.web_clients"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **asked: Any) -> tuple[Outcomes, float]:
        """(outcomes, seconds)"""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"port": PORT, **asked}) + "\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        return told["outcomes"], told["seconds"]

    @property
    def cpu_seconds(self) -> float:
        return sum(psutil.Process(self.process.pid).cpu_times()[:2])


def main() -> None:
    bench_scale.IMAGES = IMAGES
    with own_gallery():
        # Visitors are limited, and all come from one address here.
        environment = os.environ | {"LOOKALIKE_SEARCHES_PER_MINUTE": "0", "LOOKALIKE_MEGABYTES_PER_HOUR": "0"}
        command = [sys.executable, "manage.py", "run", "--port", str(PORT)]
        server = subprocess.Popen(command, cwd=bench_scale.ROOT, env=environment, stdout=subprocess.DEVNULL)
        clients = Clients()
        try:
            wait_for(server)
            photographs = made_before() or make()
            bench_scale.warm_up()
            print(f"the worker had work for {until_idle(server):.0f} s more")
            measure(server, clients, asked_for(photographs))
        finally:
            assert clients.process.stdin
            clients.process.stdin.close()
            clients.process.wait()
            server.terminate()
            server.wait()


def wait_for(server: subprocess.Popen) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError):
            bench_scale.get("/health/live")
            return
        time.sleep(0.2)
    raise SystemExit("the server did not start")


def until_idle(server: subprocess.Popen) -> float:
    """Of the worker: engines that learn from the gallery do so first."""
    (worker,) = [p for p in psutil.Process(server.pid).children() if "run_huey" in p.cmdline()]
    started = time.monotonic()
    while time.monotonic() - started < 1200:
        before = sum(worker.cpu_times()[:2])
        time.sleep(4)
        if sum(worker.cpu_times()[:2]) - before < 0.4:
            break
    return time.monotonic() - started


def made_before() -> list[int]:
    """The photographs of a folder that is taken again."""
    from gallery.models import Image

    return list(Image.objects.filter(pk__gt=IMAGES).values_list("pk", flat=True))


def make() -> list[int]:
    started = time.perf_counter()
    bench_scale.make_images()
    photographs = import_photographs()
    print(f"made {IMAGES:,} images in {time.perf_counter() - started:.0f} s; load {os.getloadavg()[0]:.1f}")
    return photographs


def import_photographs() -> list[int]:
    from ingestion.pipeline import Origin, complete, import_blocks
    from tests.pictures import encode, photo

    made = []
    for seed in range(PHOTOGRAPHS):
        image = import_blocks([encode(photo(seed, 1200, 900))], f"{seed}.jpg", Origin("upload", "")).image
        assert image
        assert complete(image) == []
        made.append(image.pk)
    return made


def asked_for(photographs: list[int]) -> dict[str, dict[str, Any]]:
    from tests.pictures import encode, photo

    boundary = "lookalike"
    token = "a" * 32
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}\r\n'
    part += f'--{boundary}\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n\r\n'
    file = encode(photo(3, 800, 600))
    form = part.encode() + file + f"\r\n--{boundary}--\r\n".encode()
    headers = [f"Content-Type: multipart/form-data; boundary={boundary}", f"Cookie: csrftoken={token}"]
    return {
        "gallery page": {"paths": [f"/?after={pk}" for pk in range(IMAGES, IMAGES // 2, -977)]},
        "image page": {"paths": [f"/image/{pk}/" for pk in range(IMAGES // 3, IMAGES, 991)]},
        "text search": {"paths": [f"/search/?q={n}" for n in range(100, IMAGES, 1013)]},
        "search by id": {"paths": [f"/search/like/{pk}/" for pk in [*photographs, *range(IMAGES, 0, -37)]]},
        "search by file": {"paths": ["/search/"], "body": form.hex(), "headers": headers},
    }


def measure(server: subprocess.Popen, clients: Clients, asked: dict[str, dict[str, Any]]) -> None:
    print(
        f"{'':16} {'clients':>7} {'a second':>9} {'median ms':>10} {'p99 ms':>8} {'errors':>7} {'CPU ms each':>12} MiB"
    )
    best: dict[str, float] = {}
    for name, what in asked.items():
        for number in CLIENTS:
            before, cpu = memory(server), cpu_seconds(server)
            outcomes, seconds = clients.ask(clients=number, seconds=SECONDS, **what)
            good = [took for status, took, _ in outcomes if status in (200, 302)]
            each = 1000 * (cpu_seconds(server) - cpu) / max(1, len(good))
            best[name] = max(best.get(name, 0), len(good) / seconds)
            print(
                f"{name:16} {number:7} {len(good) / seconds:9.1f} {1000 * middle(good):10.1f} {1000 * p99(good):8.1f}"
                f" {len(outcomes) - len(good):7} {each:12.1f} {before:.0f} -> {memory(server):.0f}",
                flush=True,
            )
    for name, rate in WANTED.items():
        paced(clients, name, asked[name], rate)
    for name in WANTED:
        flood(server, clients, name, asked[name], best[name])
    mixed(clients, asked, best)


def paced(clients: Clients, name: str, what: dict[str, Any], rate: float) -> None:
    """So many a second, whether or not those before were answered."""
    outcomes, seconds = clients.ask(rate=rate, seconds=3 * SECONDS, **what)
    print(f"\n{name}: {rate:.0f} asked for each second, for {3 * SECONDS:.0f} s; load {os.getloadavg()[0]:.1f}")
    report(outcomes, seconds, rate)


def flood(server: subprocess.Popen, clients: Clients, name: str, what: dict[str, Any], capacity: float) -> None:
    print(f"\n{name}: five times {capacity:.0f} a second for {FLOOD:.0f} s; load {os.getloadavg()[0]:.1f}")
    before, calm = memory(server), took(what["paths"][0])
    theirs, ours = clients.cpu_seconds, cpu_seconds(server)
    outcomes, seconds = clients.ask(rate=5 * capacity, seconds=FLOOD, **what)
    theirs, ours = clients.cpu_seconds - theirs, cpu_seconds(server) - ours
    report(outcomes, seconds, capacity)
    print(f"  cores busy: {ours / seconds:.2f} with the gallery, {theirs / seconds:.2f} with the clients")
    print(f"  memory {before:.0f} -> {memory(server):.0f} MiB")
    print(f"  back to normal after {recovery(what['paths'][0], calm):.1f} s")


def mixed(clients: Clients, asked: dict[str, dict[str, Any]], best: dict[str, float]) -> None:
    """Pages go on being served beside a flood of searches."""
    second = Clients()
    search, page = asked["search by id"], asked["gallery page"]
    assert second.process.stdin
    rate = 5 * best["search by id"]
    second.process.stdin.write(json.dumps({"port": PORT, "rate": rate, "seconds": SECONDS, **search}) + "\n")
    second.process.stdin.flush()
    time.sleep(1)
    outcomes, seconds = clients.ask(clients=4, seconds=SECONDS - 2, **page)
    print("\n4 readers of gallery pages beside five times too many searches by id")
    report(outcomes, seconds, best["gallery page"])
    second.process.communicate()


def report(outcomes: Outcomes, seconds: float, capacity: float) -> None:
    for said, mine in {
        "served": [took for status, took, _ in outcomes if status in (200, 302)],
        "refused": [took for status, took, _ in outcomes if status == 503],
        "other": [took for status, took, _ in outcomes if status not in (200, 302, 503)],
    }.items():
        share = f"{100 * len(mine) / seconds / capacity:.0f} % of that, " if said == "served" else ""
        figures = f"median {1000 * middle(mine):.0f} ms, p99 {1000 * p99(mine):.0f} ms" if mine else ""
        print(f"  {said:8} {len(mine):6} {share}{figures}")
    print(f"  without Retry-After: {sum(not retry for status, _, retry in outcomes if status == 503)}")


def took(path: str) -> float:
    started = time.perf_counter()
    with suppress(OSError):
        if bench_scale.get(path) == 200:
            return time.perf_counter() - started
    return float("inf")


def recovery(path: str, calm: float) -> float:
    """Seconds until a page is answered about as quickly as before."""
    started = time.perf_counter()
    while time.perf_counter() - started < 60:
        if took(path) < max(0.3, 2 * calm):
            return time.perf_counter() - started
    return float("inf")


def middle(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")


def p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * len(values))] if values else float("nan")


def of_server(server: subprocess.Popen, what: Callable[[psutil.Process], float]) -> float:
    """Summed over the web server and its decoders; the database is not ours to count by request."""
    total = 0.0
    for process in psutil.Process(server.pid).children(recursive=True):
        with suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if "granian" in command or "decoder" in command or "multiprocessing" in command:
                total += what(process)
    return total


def memory(server: subprocess.Popen) -> float:
    return of_server(server, lambda process: process.memory_full_info().uss) / 2**20


def cpu_seconds(server: subprocess.Popen) -> float:
    """With that of PostgreSQL."""
    folder = Path(os.environ["LOOKALIKE_VAR"])
    database = 0.0
    for process in psutil.process_iter(["name", "cwd"]):
        if process.info["name"] == "postgres" and str(process.info["cwd"]).startswith(str(folder)):
            with suppress(psutil.Error):
                database += sum(process.cpu_times()[:2])
    return database + of_server(server, lambda process: sum(process.cpu_times()[:2]))


if __name__ == "__main__":
    main()
