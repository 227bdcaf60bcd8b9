"""Rows, atomicity and expiry. SQL lives here and only here.

Plain functions on `db`, a synchronous SQLAlchemy Core connection inside a transaction; `database.py` is the one
crossing from async code. Knows nothing of protocol errors or HTTP.
"""
