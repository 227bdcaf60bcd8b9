"""Mail: a durable outbox that is filled in the transaction of what it tells, and emptied in the background.

Who is told what, and when, is decided in `server.accounts`.
"""
