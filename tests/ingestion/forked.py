"""A run in a fork of a process that has everything imported, so that it can be killed at any step."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


def in_a_fork(deed: Callable[[], None]) -> dict:
    """{"status": as os.waitstatus_to_exitcode, "said": what it wrote to standard error}"""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(into, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 1
        try:
            deed()
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(into)
    with open(out) as said:
        text = said.read()
    return {"status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "said": text}
