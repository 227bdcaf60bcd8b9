"""A client's page that asks the session frame (OpenID Connect Session Management 1.0 section 3.2)."""

from tests.support.receiver import Answer

_PAGE = """<!doctype html><title>Client</title><iframe id="op" src="{issuer}/check-session"></iframe>
<script>
const ask = (question) => new Promise((resolve) => {{
  addEventListener("message", (event) => resolve(event.data), {{ once: true }});
  document.getElementById("op").contentWindow.postMessage(question, "{issuer}");
}});
</script>"""


def page_that_asks(issuer: str) -> Answer:
    """Return the page; its script has `ask(question)`."""
    return Answer(body=_PAGE.format(issuer=issuer).encode(), content_type="text/html")
