"""PostgreSQL that comes with the gallery. programs: which one; account: as whom; cluster: the running server;
base: the backend for Django.
"""
