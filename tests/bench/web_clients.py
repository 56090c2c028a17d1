"""Clients of a web server in a process of their own: asks on stdin as JSON, answers on stdout.

closed: so many clients, each with a connection of its own, ask one after another. open: so many requests a second,
each on a connection of its own, whether or not the ones before were answered.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from typing import Any

PATIENCE = 60
Outcome = tuple[int, float, bool]
"""Status (0: no answer), seconds, whether it said Retry-After"""


def request(asked: dict[str, Any], path: str) -> bytes:
    body = bytes.fromhex(asked.get("body", ""))
    method = "POST" if body else "GET"
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *asked.get("headers", [])]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    if b"content-length:" in head:
        await reader.readexactly(int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))
    elif b"chunked" in head:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    return status, b"\r\nretry-after:" in head


async def ask(port: int, sent: bytes) -> Outcome:
    """On a connection for this request alone."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(sent)
                status, retry = await answer(reader)
            finally:
                writer.close()
    except (OSError, TimeoutError, EOFError, ValueError):
        return 0, time.perf_counter() - started, False
    return status, time.perf_counter() - started, retry


async def closed(asked: dict[str, Any]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    paths = itertools.cycle(asked["paths"])
    end = time.perf_counter() + asked["seconds"]

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", asked["port"])
        while time.perf_counter() < end:
            started = time.perf_counter()
            try:
                writer.write(request(asked, next(paths)))
                status, retry = await asyncio.wait_for(answer(reader), PATIENCE)
            except (OSError, TimeoutError, EOFError, ValueError):
                outcomes.append((0, time.perf_counter() - started, False))
                reader, writer = await asyncio.open_connection("127.0.0.1", asked["port"])
                continue
            outcomes.append((status, time.perf_counter() - started, retry))
        writer.close()

    await asyncio.gather(*(client() for _ in range(asked["clients"])))
    return outcomes


async def open_(asked: dict[str, Any]) -> list[Outcome]:
    paths = itertools.cycle(asked["paths"])
    started, tasks = time.perf_counter(), []
    for number in range(int(asked["rate"] * asked["seconds"])):
        wait = started + number / asked["rate"] - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(ask(asked["port"], request(asked, next(paths)))))
    return list(await asyncio.gather(*tasks))


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        started = time.perf_counter()
        outcomes = asyncio.run(open_(asked) if "rate" in asked else closed(asked))
        print(json.dumps({"outcomes": outcomes, "seconds": time.perf_counter() - started}), flush=True)


if __name__ == "__main__":
    main()
