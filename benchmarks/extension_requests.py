"""Requests that use one extension each, beside the same request without it."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.holder import Holder, challenge_of, secret_assertion
from benchmarks.measure import MeasurementError
from benchmarks.stage import register_client
from tests.support.process import ServerProcess

SCOPE = "read:things"
RESOURCE = "https://things.example/"
DETAIL_TYPE = "thing"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
REDIRECT_URI = "https://client.example/cb"
Form = dict[str, str]
Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request: `make` returns a new form and its headers."""

    name: str
    make: Callable[[], tuple[Form, Headers]]
    path: str = "/token"


class Requests:
    """Clients at one server, and the requests that they send."""

    def __init__(self, server: ServerProcess, directory: Path) -> None:
        self._server = server
        self._directory = directory
        self._issuer = server.issuer
        self._token_url = f"{server.issuer}/token"
        self._holder = Holder()

    def cases(self) -> tuple[Case, ...]:
        """Register what they need, and return all."""
        self._server.cli("resource", "create", RESOURCE, "--scope", SCOPE)
        schema = self._directory / "schema.json"
        schema.write_text(json.dumps({"type": "object", "properties": {"color": {"type": "string"}}}))
        self._server.cli("detail", "create", DETAIL_TYPE, "--schema", str(schema))
        plain = self._service()
        form = self._form(plain)
        details = json.dumps([{"type": DETAIL_TYPE, "color": "green"}])
        return (
            Case("plain", lambda: (form, {})),
            *self._authentications(),
            *self._bindings(form),
            Case("resource", lambda: ({**form, "resource": RESOURCE}, {})),
            Case("details", lambda: ({**form, "authorization_details": details}, {})),
            *self._tokens(),
            *self._pushed(),
        )

    def _service(self, **metadata: Any) -> dict[str, str]:
        known = {
            "client_name": "Benchmark",
            "grant_types": ["client_credentials"],
            "response_types": [],
            "scope": SCOPE,
            "token_endpoint_auth_method": "client_secret_post",
            "authorization_details_types": [DETAIL_TYPE],
        }
        return register_client(self._server, **{**known, **metadata})

    @staticmethod
    def _form(client: Mapping[str, str], **more: str) -> Form:
        return {"grant_type": "client_credentials", "scope": SCOPE, **client, **more}

    def _authentications(self) -> tuple[Case, ...]:
        signed = self._service(token_endpoint_auth_method="private_key_jwt", jwks=self._holder.jwks)["client_id"]
        shared = self._service(token_endpoint_auth_method="client_secret_jwt")
        shown, jwks = self._holder.certificate()
        method = {"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwks}
        certified = self._service(**method, tls_client_certificate_bound_access_tokens=True)["client_id"]

        def assertion(value: str) -> tuple[Form, Headers]:
            form = {"grant_type": "client_credentials", "scope": SCOPE}
            return {**form, "client_assertion_type": ASSERTION_TYPE, "client_assertion": value}, {}

        return (
            Case(
                "private_key_jwt",
                lambda: assertion(self._holder.assertion(signed, self._issuer)),
            ),
            Case(
                "client_secret_jwt",
                lambda: assertion(secret_assertion(shared["client_id"], shared["client_secret"], self._issuer)),
            ),
            Case(
                "mutual_tls",
                lambda: (self._form({"client_id": certified}), {"X-Client-Certificate": shown}),
            ),
        )

    def _bindings(self, form: Form) -> tuple[Case, ...]:
        return (Case("dpop", lambda: (form, {"DPoP": self._holder.proof(self._token_url)})),)

    def _tokens(self) -> tuple[Case, ...]:
        opaque = self._form(self._service(access_token_format="opaque"))
        exchanger = self._service(grant_types=["client_credentials", EXCHANGE])
        subject = self._ask(self._form(exchanger))["access_token"]
        exchange = {**exchanger, "grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": ACCESS_TOKEN}
        person = self._server.cli("user", "create", f"{secrets.token_hex(4)}@example.com", "--name", "Bench")["id"]
        issuer = self._service(
            grant_types=["client_credentials", JWT_BEARER], jwks=self._holder.jwks, jwt_bearer_subjects=["*"]
        )

        def vouch() -> tuple[Form, Headers]:
            assertion = self._holder.assertion(issuer["client_id"], self._issuer, person)
            return {**issuer, "grant_type": JWT_BEARER, "scope": SCOPE, "assertion": assertion}, {}

        return (
            Case("opaque", lambda: (opaque, {})),
            Case("exchange", lambda: (exchange, {})),
            Case("jwt_bearer", vouch),
            Case("introspection", lambda: ({**exchanger, "token": subject}, {}), "/introspect"),
            Case(
                "signed_introspection",
                lambda: ({**exchanger, "token": subject}, {"Accept": "application/token-introspection+jwt"}),
                "/introspect",
            ),
        )

    def _pushed(self) -> tuple[Case, ...]:
        client = register_client(
            self._server,
            client_name="Benchmark",
            redirect_uris=[REDIRECT_URI],
            scope="openid profile",
            token_endpoint_auth_method="client_secret_post",
            jwks=self._holder.jwks,
        )
        request = {
            "response_type": "code",
            "client_id": client["client_id"],
            "redirect_uri": REDIRECT_URI,
            "scope": "openid profile",
            "code_challenge": challenge_of(secrets.token_urlsafe(48)),
            "code_challenge_method": "S256",
            "state": "s",
        }

        def signed() -> tuple[Form, Headers]:
            value = self._holder.request_object(client["client_id"], self._issuer, request)
            return {**client, "request": value}, {}

        device = register_client(
            self._server,
            client_name="Benchmark",
            redirect_uris=[],
            response_types=[],
            grant_types=["urn:ietf:params:oauth:grant-type:device_code"],
            scope="openid profile",
            token_endpoint_auth_method="client_secret_post",
        )
        return (
            Case("par", lambda: ({**request, **client}, {}), "/par"),
            Case("jar", signed, "/par"),
            Case(
                "device",
                lambda: ({**device, "scope": "openid profile"}, {}),
                "/device_authorization",
            ),
            self._elsewhere(),
        )

    def _elsewhere(self) -> Case:
        """Return a request for somebody who is not here: nobody is asked, which else is a mail in the outbox more."""
        client = register_client(
            self._server,
            client_name="Benchmark",
            redirect_uris=[],
            response_types=[],
            grant_types=["urn:openid:params:grant-type:ciba"],
            backchannel_token_delivery_mode="poll",
            scope="openid profile",
            token_endpoint_auth_method="client_secret_post",
        )
        form = {**client, "scope": "openid profile", "login_hint": "nobody@example.com"}
        return Case("ciba", lambda: (form, {}), "/bc-authorize")

    def _ask(self, form: Form) -> dict[str, Any]:
        response = httpx.post(f"{self._server.address}/token", data=form)
        if response.status_code != httpx.codes.OK:
            raise MeasurementError(f"{form['grant_type']}: {response.status_code} {response.text}")
        answer: dict[str, Any] = response.json()
        return answer
