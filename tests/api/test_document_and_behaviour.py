"""Made-up requests against the OpenAPI document: no accident, and no answer that it does not announce.

Schemathesis makes them up, fitting the document and breaking it; the same ones in every run.
"""

import re
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.documented import Api

EXAMPLES = 14
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def _operations(document: dict[str, Any]) -> list[Any]:
    schema: Any = schemathesis.openapi.from_dict(document)
    return [result.ok() for result in schema.get_all_operations()]


def _cases(operation: Any) -> list[Any]:
    cases: list[Any] = []
    for mode in GenerationMode:

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def collect(case: Any) -> None:
            cases.append(case)

        try:
            collect()
        except schemathesis.errors.SchemathesisError:  # nothing can break a call that takes nothing
            continue
    return cases


async def _send(api: Api, case: Any, authorization: str | None) -> httpx.Response:
    arguments = case.as_transport_kwargs(base_url=api.server.issuer)
    headers = {name: value for name, value in (arguments.pop("headers") or {}).items() if name.isascii()}
    if authorization is not None:
        headers["authorization"] = authorization
    arguments.pop("cookies", None)
    if isinstance(arguments.get("data"), bytes):
        arguments["content"] = arguments.pop("data")
    return await api.http.request(**arguments, headers=headers)


@pytest.mark.parametrize("overrides", [{"rate_limits": False, "issuer": "http://localhost:8000"}], indirect=True)
@pytest.mark.slow
async def test_no_request_meets_an_accident_or_an_answer_that_is_not_announced(api: Api) -> None:
    document = (await api.http.get("/api/openapi.json")).json()
    statuses: dict[str, set[int]] = {}
    for operation in _operations(document):
        seen, token = statuses.setdefault(operation.label, set()), ""
        for number, case in enumerate(_cases(operation)):
            if number % 10 == 0:  # some calls end the sign-in, change the password or delete the account
                email = f"{operation.definition.raw['operationId']}{number}@example.com"
                await api.server.add_person(email)
                token = (await api.log_in(email))["access_token"]
            authorization = None if number % 7 == 3 else f"Bearer {token}"
            response = await _send(api, case, authorization)
            seen.add(response.status_code)
            case.validate_response(Response.from_httpx(response, verify=False), checks=CHECKS)
    assert len(statuses) == 21
    assert all(seen for seen in statuses.values())
    for label, seen in statuses.items():
        expected = {200, 202, 204} if re.search(r"GET|resend|forgot|mfa/setup", label) else set()
        assert not expected or seen & expected, label
