"""Loaded before the settings (see pyproject.toml): tests have a gallery of their own, in a folder that is removed."""

import atexit
import os
import shutil
import signal
import tempfile

folder = tempfile.mkdtemp(prefix="lookalike-tests-")
os.chmod(folder, 0o755)
os.environ["LOOKALIKE_VAR"] = folder
for name in [n for n in os.environ if n.startswith("LOOKALIKE_") and n != "LOOKALIKE_VAR"]:
    del os.environ[name]
os.environ["LOOKALIKE_LOG_LEVEL"] = "ERROR"
# Registered first, so that it runs last: after the server has stopped.
atexit.register(shutil.rmtree, folder, ignore_errors=True)
# A job in the background of a shell has Ctrl-C ignored, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
