"""Everything that brings a picture in."""
