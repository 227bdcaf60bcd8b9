"""Registered clients: their metadata, redirect URIs and secrets, and how each proves who it is.

Imports nothing else of this project but `keys.jose`. Where rows are kept is the server's business.
"""
