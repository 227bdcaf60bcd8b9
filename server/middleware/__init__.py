"""Pure ASGI layers around every request: its id and log line, security headers, deadlines, where forms may come from.

No layer buffers a body or runs in another task: a client that goes away cancels nothing inside a transaction.
"""
