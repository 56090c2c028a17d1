"""The pictures and the site itself."""
