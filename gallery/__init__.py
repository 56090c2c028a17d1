"""The pictures and the site itself."""

import os

# Products of matrices are small here, and the threads are ours: a second pool would only get in their way (and does not
# survive a fork, see search/threads.py). Read by OpenBLAS when numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
