"""Forms of our pages are accepted from our pages alone: a second lock beside the CSRF token (RFC 9700 section 4.7)."""

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server.protocol.refusals import note_answer
from server.settings import Settings

NO_STORE = {"cache-control": "no-store"}
OWN_FORMS = ("/interaction/", "/account", "/sign-out/", "/device/")


class FormOrigin:
    """Refuses a POST to a page of ours that the browser says comes from another site."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._origin = settings.origin.encode("ascii")
        self._prefixes = tuple(settings.issuer_path + path for path in OWN_FORMS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(self._prefixes):
            headers = dict(scope["headers"])
            site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
            if site is not None:
                is_foreign = site not in (b"same-origin", b"none")
            else:
                is_foreign = origin is not None and origin != self._origin
            if is_foreign:
                note_answer(403, "The form came from another site")
                text = f"This form may only be sent from this site. Request number: {scope['request_id']}\n"
                response = PlainTextResponse(text, 403, NO_STORE)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
