"""One file per `grant_type`: the rules of that grant, and nothing of HTTP or client authentication.

Each keeps the order: find, check everything, consume once, mint, store.
"""
