"""How much work something is: time that others take from a busy machine is not in it."""

from __future__ import annotations

import os
import time

import psutil

from gallery import children


def seconds_of_work() -> float:
    """CPU time of this thread, of the decoders and of all processes that it has waited for, from some point on."""
    ended = os.times()
    living = (psutil.Process(child._process.pid).cpu_times() for child in children._alive)
    decoders = sum(times.user + times.system for times in living)
    return time.thread_time() + ended.children_user + ended.children_system + decoders
