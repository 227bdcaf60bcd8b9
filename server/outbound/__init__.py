"""The one way out: every request that the server makes on behalf of what others registered.

Client keys, sector identifiers, logout notices and pings go to addresses that strangers chose, so they pass one guard.
"""
