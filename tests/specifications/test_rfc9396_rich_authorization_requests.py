"""RFC 9396 Rich Authorization Requests."""

import json
from functools import partial
from typing import Any

import httpx
import pytest

from server.protocol.json_schema import SchemaError, check_schema, problem_of
from server.storage import authorization_detail_types
from server.storage.authorization_detail_types import DetailType
from server.storage.resources import Resource
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

BANK, ARCHIVE = "https://bank.example/", "https://archive.example/"
AMOUNT = {"type": "object", "required": ["currency", "amount"]}
PAYMENT = DetailType(
    "payment_initiation",
    "Make a payment from your account",
    {
        "type": "object",
        "required": ["instructedAmount", "creditorName"],
        "properties": {
            "locations": {"type": "array", "items": {"type": "string"}},
            "actions": {"type": "array", "items": {"enum": ["initiate", "cancel"]}},
            "instructedAmount": {
                **AMOUNT,
                "title": "Amount",
                "properties": {
                    "currency": {"type": "string", "minLength": 3, "maxLength": 3},
                    "amount": {"type": "string", "maxLength": 20},
                },
            },
            "creditorName": {"type": "string", "title": "To", "maxLength": 70},
        },
    },
)
ACCOUNTS = DetailType("account_information", "", {"properties": {"actions": {"type": "array"}}})


def _payment(amount: str = "123.50", **members: Any) -> dict[str, Any]:
    paid = {"currency": "EUR", "amount": amount}
    return {"type": "payment_initiation", "instructedAmount": paid, "creditorName": "Merchant A", **members}


@pytest.fixture(autouse=True)
async def types(server: RunningServer) -> None:
    await server.add_detail_types(PAYMENT, ACCOUNTS)
    await server.add_resources(Resource(BANK), Resource(ARCHIVE))


@pytest.fixture
async def rp(server: RunningServer) -> RelyingParty:
    allowed = ["payment_initiation", "account_information"]
    secret = await server.add_client(client_name="Web Shop", authorization_details_types=allowed)
    return RelyingParty(server, client_secret=secret, scope="openid")


async def _claims(rp: RelyingParty, response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return (await rp.verified(response.json()["access_token"]))[1]


async def _code(person: Person, rp: RelyingParty, *objects: dict[str, Any], **changes: str) -> str:
    return await rp.code_for(person, authorization_details=json.dumps(objects), **changes)


async def test_what_was_granted_is_in_the_token_and_the_response(person: Person, rp: RelyingParty) -> None:
    """Sections 7 and 9.1, and 9.2 for introspection."""
    response = await rp.redeem(await _code(person, rp, _payment()))
    claims = await _claims(rp, response)
    assert claims["authorization_details"] == response.json()["authorization_details"] == [_payment()]
    told = (await rp.post("/introspect", token=response.json()["access_token"])).json()
    assert told["authorization_details"] == [_payment()]
    refreshed = await rp.refresh(response.json()["refresh_token"])
    assert refreshed.json()["authorization_details"] == [_payment()]


async def test_without_details_no_token_and_no_response_speaks_of_them(person: Person, rp: RelyingParty) -> None:
    response = await rp.redeem(await rp.code_for(person))
    assert "authorization_details" not in response.json()
    assert "authorization_details" not in await _claims(rp, response)
    response = await rp.redeem(await _code(person, rp))
    assert "authorization_details" not in response.json(), "an empty list asks for nothing"


async def test_the_person_sees_each_detail_in_words_and_is_asked_every_time(person: Person, rp: RelyingParty) -> None:
    """Sections 3 and 12: consent to this very request."""
    await _code(person, rp, _payment())
    await person.visit(rp.url(authorization_details=json.dumps([_payment("<b>9</b>"), {"type": ACCOUNTS.type}])))
    assert person.title == "Allow access"
    assert "Make a payment from your account" in person.text
    assert "Amount, amount <b>9</b>" in person.text
    assert "To Merchant A" in person.text
    assert "account_information" in person.text
    await person.visit(rp.url(prompt="none", authorization_details=json.dumps([_payment()])))
    assert person.answer()["error"] == "consent_required"


async def test_truth_and_lists_of_objects_are_said_so_that_people_can_read_them(
    person: Person, rp: RelyingParty
) -> None:
    """Section 12: what is true is not a mark, and what belongs together stands together."""
    one = {"properties": {"name": {}, "count": {"title": "How many"}}}
    schema = {
        "properties": {"items": {"title": "Items", "items": one}, "gift": {"title": "Gift"}, "days": {"title": "Days"}}
    }
    await rp.server.add_detail_types(DetailType(ACCOUNTS.type, "Order", schema))
    asked = {"items": [{"name": "Tea", "count": 2}, {"name": "Cup", "count": 1}], "gift": False, "days": [True, None]}
    await person.visit(rp.url(authorization_details=json.dumps([{"type": ACCOUNTS.type, **asked}])))
    await person.sign_in()
    await person.submit(("decision", "postpone"))
    assert "Gift No Days Yes, \N{EN DASH} Items 1 name Tea How many 2 Items 2 name Cup How many 1" in person.text


async def test_what_nobody_sees_is_shown_as_a_mark(person: Person, rp: RelyingParty) -> None:
    """Section 12: nothing turns, hides or breaks the line that the person reads."""
    await rp.server.add_detail_types(DetailType(ACCOUNTS.type, "Order", {"properties": {"to": {"type": "string"}}}))
    asked = {"type": ACCOUNTS.type, "to": "\u202eymmuD\u2066 \u200b\nAmount: 0"}
    await person.visit(rp.url(authorization_details=json.dumps([asked])))
    await person.sign_in()
    await person.submit(("decision", "postpone"))
    assert person.title == "Allow access"
    assert "\ufffdymmuD\ufffd \ufffd\ufffdAmount: 0" in person.text
    assert not {"\u202e", "\u2066", "\u200b"} & set(person.response.text)


REFUSED = [
    "nonsense",
    "{}",
    "null",
    '"payment_initiation"',
    "[1]",
    "[{}]",
    '[{"type": 1}]',
    '[{"type": "unknown"}]',
    '[],"authorization_details":[]',
    '[],"x":[]',
    '[{"type": "account_information", "actions": "read"}]',
    '[{"type": "account_information", "actions": [], "unknown": 1}]',
    '[{"type": "account_information", "type": "payment_initiation"}]',
    '[{"type": "account_information", "actions": ["\\u0000"]}]',
    '[{"type": "payment_initiation"}]',
    json.dumps([_payment(instructedAmount={"currency": "EUR"})]),
    json.dumps([_payment(instructedAmount={"currency": "EURO", "amount": "1"})]),
    json.dumps([_payment(creditorName=7)]),
    json.dumps([_payment(actions=["steal"])]),
    json.dumps([_payment(creditorName="x" * 71)]),
    json.dumps([{"type": "account_information"}] * 21),
    json.dumps([_payment(creditorName=" " * 9000)]),
    "[" * 1000,
    '[{"type": "account_information", "actions": [1e999]}]',
]


async def test_details_that_are_not_as_their_type_says_are_refused(person: Person, rp: RelyingParty) -> None:
    """Section 5: unknown type, unknown field, wrong type, missing field, invalid value."""
    for details in REFUSED:
        await person.visit(rp.url(authorization_details=details))
        assert person.answer()["error"] == "invalid_authorization_details", details


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"type": "payment_initiation"}, "instructedAmount is missing"),
        (_payment(instructedAmount={"currency": "EUR"}), "instructedAmount.amount is missing"),
        (_payment(instructedAmount={"currency": "EURO", "amount": "1"}), "instructedAmount.currency is not within"),
        (_payment(creditorName=7), "creditorName must be of type string"),
        (_payment(actions=["initiate", "steal"]), "actions[1] has a value that is not permitted"),
        (_payment(zzz="1"), "the object has a field that is not known"),
    ],
)
async def test_the_error_says_which_field_is_wrong_and_never_what_was_sent(
    person: Person, rp: RelyingParty, details: dict[str, Any], said: str
) -> None:
    """Section 5: who builds the request learns what to mend."""
    await person.visit(rp.url(authorization_details=json.dumps([details])))
    description = person.answer()["error_description"]
    assert f"the type payment_initiation says: {said}" in description
    assert not {"EURO", "steal", "zzz"} & set(description.replace(".", " ").split())


async def test_a_field_that_no_description_can_name_gets_a_plain_answer(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 6749 section 5.2: an error description is printable ASCII."""
    schema = {"type": "object", "properties": {"größe": {"type": "string"}}, "required": ["größe"]}
    await server.add_detail_types(DetailType("payment_initiation", "", schema))
    await person.visit(rp.url(authorization_details='[{"type": "payment_initiation"}]'))
    assert person.answer()["error_description"] == "The authorization_details are not as their type says"


async def test_a_client_gets_only_types_it_is_registered_for(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Sections 5 and 10."""
    await server.change_client("web", authorization_details_types=["account_information"])
    await person.visit(rp.url(authorization_details=json.dumps([_payment()])))
    assert person.answer()["error"] == "invalid_authorization_details"
    await server.change_client("web", authorization_details_types=[])
    await person.visit(rp.url(authorization_details=json.dumps([{"type": "account_information"}])))
    assert person.answer()["error"] == "invalid_authorization_details"


async def test_a_token_request_picks_from_what_was_granted(person: Person, rp: RelyingParty) -> None:
    """Section 6.1; the refresh token keeps all of it."""
    first, second = _payment("1"), _payment("2")
    response = await rp.redeem(await _code(person, rp, first, second), authorization_details=json.dumps([second]))
    assert (await _claims(rp, response))["authorization_details"] == [second]
    refresh = response.json()["refresh_token"]
    response = await rp.refresh(refresh, authorization_details=json.dumps([first]))
    assert response.json()["authorization_details"] == [first]
    response = await rp.refresh(response.json()["refresh_token"])
    assert response.json()["authorization_details"] == [first, second]


@pytest.mark.parametrize("granted", [(), (_payment("1"),)])
async def test_a_token_request_cannot_widen(
    person: Person, rp: RelyingParty, granted: tuple[dict[str, Any], ...]
) -> None:
    """Section 6.1: invalid_authorization_details; the code stays good."""
    code = await _code(person, rp, *granted)
    response = await rp.redeem(code, authorization_details=json.dumps([_payment("1000")]))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_authorization_details")
    assert (await rp.redeem(code)).status_code == 200


async def test_with_details_too_a_client_learns_that_its_grant_is_over(person: Person, rp: RelyingParty) -> None:
    """RFC 6749 section 5.2: invalid_grant, so that it starts anew."""
    details = json.dumps([_payment()])
    code = await _code(person, rp, _payment())
    tokens = (await rp.redeem(code)).json()
    await rp.post("/revoke", token=tokens["refresh_token"])
    for response in (
        await rp.refresh(tokens["refresh_token"], authorization_details=details),
        await rp.redeem(code, authorization_details=details),
    ):
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_what_looks_alike_is_not_the_same(person: Person, rp: RelyingParty) -> None:
    """Section 6.1: 1 is not true, and 0 is not false."""
    granted = {"type": "account_information", "actions": [1, False]}
    code = await _code(person, rp, granted)
    wanted = {"type": "account_information", "actions": [True, 0]}
    response = await rp.redeem(code, authorization_details=json.dumps([wanted]))
    assert response.json()["error"] == "invalid_authorization_details"
    response = await rp.redeem(code, authorization_details=json.dumps([dict(reversed(granted.items()))]))
    assert response.json()["authorization_details"] == [granted]


async def test_what_was_taken_from_the_client_is_no_longer_given(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = (await rp.redeem(await _code(person, rp, _payment(), {"type": "account_information"}))).json()
    await server.change_client("web", authorization_details_types=["account_information"])
    response = await rp.refresh(tokens["refresh_token"])
    assert response.json()["authorization_details"] == [{"type": "account_information"}]


async def test_a_token_holds_only_the_details_that_are_meant_for_its_audience(person: Person, rp: RelyingParty) -> None:
    """Section 9.1 with RFC 8707."""
    here, there = _payment("1", locations=[BANK]), _payment("2", locations=[ARCHIVE])
    anywhere = {"type": "account_information"}
    response = await rp.redeem(await _code(person, rp, here, there, anywhere, resource=BANK))
    assert (await _claims(rp, response))["authorization_details"] == [here, anywhere]
    response = await rp.redeem(await _code(person, rp, here, there, anywhere))
    assert response.json()["authorization_details"] == [here, there, anywhere]


async def test_a_service_asks_for_itself(server: RunningServer) -> None:
    """Section 6: at the token endpoint, in the client credentials grant."""
    secret = await server.add_service("robot", authorization_details_types=["payment_initiation"])
    robot = RelyingParty(server, "robot", secret)
    form = {"grant_type": "client_credentials", "authorization_details": json.dumps([_payment()])}
    response = await robot.post("/token", **form)
    assert (await _claims(robot, response))["authorization_details"] == [_payment()]
    form["authorization_details"] = json.dumps([{"type": "account_information"}])
    response = await robot.post("/token", **form)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_authorization_details")
    form["authorization_details"] = "nonsense"
    assert (await robot.post("/token", **form)).json()["error"] == "invalid_authorization_details"


async def test_discovery_names_the_types(server: RunningServer) -> None:
    """Section 10."""
    async with server.http() as http:
        document = (await http.get("/.well-known/oauth-authorization-server")).json()
        for known in (PAYMENT, ACCOUNTS):
            await server.run(partial(authorization_detail_types.remove, name=known.type))
        await server.refresh()
        without = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert document["authorization_details_types_supported"] == ["account_information", "payment_initiation"]
    assert "authorization_details_types_supported" not in without


@pytest.mark.parametrize(
    "schema",
    [
        [],
        {"pattern": "x"},
        {"$ref": "#"},
        {"type": "text"},
        {"type": ["string", 1]},
        {"minLength": -1},
        {"minLength": True},
        {"maximum": "1"},
        {"required": "x"},
        {"required": [1]},
        {"additionalProperties": {}},
        {"properties": {"a": {"format": "date"}}},
        {"items": {"oneOf": []}},
    ],
)
def test_a_schema_with_a_keyword_that_nobody_checks_is_refused(schema: Any) -> None:
    with pytest.raises(SchemaError):
        check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "integer"}, [1, 2.0, -3], [True, 1.5, "1", None]),
        ({"type": ["string", "null"]}, ["", None], [0, False, []]),
        ({"type": "number", "minimum": 1, "maximum": 2.5}, [1, 2.5], [0, 3, True]),
        ({"const": 1}, [1], [True, "1", 2]),
        ({"enum": ["a", 0]}, ["a", 0], ["b", False]),
        (
            {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2},
            [[True]],
            [[], [1], [True] * 3],
        ),
        ({"type": "object", "properties": {"a": {}}}, [{}, {"a": 1}], [{"b": 1}, []]),
        ({"type": "object", "additionalProperties": True}, [{"b": 1}], ["b"]),
        ({"minLength": 2, "maxLength": 3}, ["ab", "abc", 1], ["a", "abcd"]),
    ],
)
def test_values_are_checked_as_json_schema_says(schema: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    check_schema(schema)
    assert [problem_of(value, schema) for value in right] == [None] * len(right)
    assert all(problem_of(value, schema) for value in wrong)
