"""The protocol endpoints, each named after its RFC 8414 metadata name.

An endpoint knows HTTP: method, content type, the order of phases, the transaction boundary. Not SQL, not claims.
"""
