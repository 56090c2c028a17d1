"""Ports for servers that a test starts as processes of their own."""

from __future__ import annotations

import random
import socket

_random = random.SystemRandom()  # a seed of the tests would give all of them the same


def free_port() -> int:
    """Nobody else gets it by chance before the server listens there.

    Linux gives connections, and whoever asks for any port, those from 32768 on: one that it has given out and taken
    back may be another's a moment later.
    """
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", _random.randint(15_000, 32_000)))
            except OSError:
                continue
            return probe.getsockname()[1]
