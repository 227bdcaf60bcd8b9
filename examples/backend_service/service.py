"""A backend service: gets a token with client credentials, keeps it while it lasts, and calls the API.

Settings: ISSUER, API, CLIENT_ID, CLIENT_SECRET. Run it: `python service.py`.
"""

import json
import os
import sys
import time
from typing import Any

import httpx

RENEW_SECONDS = 30
"""A token is renewed this long before it ends, so that none ends on its way."""


class TokenSource:
    """Gives a token that is good, fetching one only when it must."""

    def __init__(self, http: httpx.Client, issuer: str, client_id: str, client_secret: str, scope: str) -> None:
        self._http = http
        self._issuer = issuer
        self._auth = (client_id, client_secret)
        self._scope = scope
        self._token = ""
        self._renew_at = 0.0
        self.fetched = 0

    def token(self) -> str:
        """Return an access token (RFC 6749 section 4.4)."""
        if time.monotonic() >= self._renew_at:
            form = {"grant_type": "client_credentials", "scope": self._scope}
            metadata = (
                self._http.get(f"{self._issuer}/.well-known/oauth-authorization-server").raise_for_status().json()
            )
            answer = self._http.post(metadata["token_endpoint"], data=form, auth=self._auth).raise_for_status().json()
            self._token = answer["access_token"]
            self._renew_at = time.monotonic() + answer["expires_in"] - RENEW_SECONDS
            self.fetched += 1
        return self._token


def main() -> int:
    """Call the API a few times with one token, and print what it says."""
    with httpx.Client(timeout=10) as http:
        source = TokenSource(
            http,
            os.environ.get("ISSUER", "http://localhost:8000"),
            os.environ["CLIENT_ID"],
            os.environ["CLIENT_SECRET"],
            "read:things",
        )
        answer: Any = None
        for _ in range(3):
            headers = {"authorization": f"Bearer {source.token()}"}
            api = os.environ.get("API", "http://localhost:8002")
            answer = http.get(f"{api}/things", headers=headers).raise_for_status().json()
    print(json.dumps({"answer": answer, "tokens_fetched": source.fetched}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
