"""Everything that finds a picture."""
