"""Where the pictures with a tag are."""

from django import template

from gallery.tags import search_address

register = template.Library()
register.filter("search_address", search_address)
