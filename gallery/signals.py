from django.dispatch import Signal

image_incomplete = Signal()
"""Sent with ``image``: it needs renditions, features or annotations again. Whoever makes them listens."""
