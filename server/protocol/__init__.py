"""Where Authlib meets Starlette, and nowhere else.

Owns parsing a request, the ordered checks, the interaction's next step, the extension record, and the single exit from
exception to response. Leaves the rules of one grant to `grants`, of one specification to `extensions`.
"""
