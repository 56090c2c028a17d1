"""Who did it, on the pages of history."""

from django import template

from gallery.history import who

register = template.Library()
register.filter("who", who)
