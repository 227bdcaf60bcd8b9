"""The page that asks which account to use: `prompt=select_account`."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from server.pages.interaction import Situation, StepPage, save
from server.pages.visit import Visit
from server.protocol.request import Parameters


def show(_db: Connection, _visit: Visit, situation: Situation) -> Mapping[str, Any]:
    """Return the account that is signed in."""
    user = situation.user
    name = str(user.claims.get("name") or user.username or user.email)
    account = {"name": name, "email": user.email, "initial": name[:1].upper()}
    return {"accounts": [account], "client_name": situation.client_name}


async def take(visit: Visit, situation: Situation, form: Parameters) -> Response | None:
    """Keep the account, or ask for a sign-in; anything else asks again."""
    decision = form.get("decision")
    state = situation.state
    if decision not in ("continue", "other"):
        return None
    state.is_account_chosen = True
    state.is_reauthenticating = decision == "other"
    await visit.services.database.run(lambda db: save(db, visit, situation))
    return None


PAGE = StepPage("select_account.html", show, take)
