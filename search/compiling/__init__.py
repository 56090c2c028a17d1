"""Parts of a query as conditions of PostgreSQL: one file is one kind of part. search/compiler.py puts them together."""
