"""People: proving who they are, their sign-ins, what they allowed, what is known about them.

Plain functions on `db` that receive `now`; only the password hasher is async. Knows nothing of requests, responses and
pages; SQL is in `server.storage`.
"""
