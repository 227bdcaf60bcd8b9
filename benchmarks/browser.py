"""A person who signs in once; what stays is the cookie of the session."""

import html
import re
import secrets
from urllib.parse import urljoin

import httpx

from benchmarks.measure import MeasurementError
from tests.support.process import ServerProcess

MOST_REDIRECTS = 5


def sign_in(server: ServerProcess, target: str) -> str:
    """Make a person, lead them through the sign-in page that `target` shows, and return their cookies."""
    email, password = f"{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(15)
    server.cli("user", "create", email, "--name", "Bench Person", "--password-stdin", stdin=password + "\n")
    with server.http(headers={"accept": "text/html", "origin": server.issuer}) as http:
        page = _follow(http, http.get(target))
        action = re.search(r'<form method="post" action="([^"]+)"', page.text)
        csrf = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        if action is None or csrf is None:
            raise MeasurementError(f"{target} did not lead to the sign-in page: {page.status_code}")
        form = {"csrf_token": csrf[1], "email": email, "password": password}
        answered = http.post(urljoin(str(page.url), html.unescape(action[1])), data=form)
        _follow(http, answered)
        return "; ".join(f"{name}={value}" for name, value in http.cookies.items())


def _follow(http: httpx.Client, response: httpx.Response) -> httpx.Response:
    """Follow redirects for as long as they stay at the issuer."""
    for _ in range(MOST_REDIRECTS):
        where = urljoin(str(response.url), response.headers.get("location", ""))
        if not response.is_redirect or not where.startswith(str(http.base_url)):
            break
        response = http.get(where)
    return response
