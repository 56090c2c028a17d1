"""The sources: one file is one way to find pictures."""
