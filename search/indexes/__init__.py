"""Indexes: one protocol, one contract test, one file an implementation."""
