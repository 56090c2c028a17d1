from django.dispatch import Signal

image_incomplete = Signal()
"""Sent with ``image``: it needs renditions, features or annotations again. Whoever makes them listens."""

image_hidden = Signal()
"""Sent with ``image`` inside the transaction that makes it private. Whoever shows it among others to all removes it."""

image_trashed = Signal()
"""Sent with ``image`` inside the transaction that hides it. Whoever keeps something to find it by removes that."""

web_started = Signal()
"""Sent in a thread of its own when the web server has loaded the site: the time to get ready for the first visitor."""

ready_asked = Signal()
"""Sent with ``in_full`` (who asks is of the staff). Receivers answer {part: why it is off}, of what ought to work."""
