"""What somebody may do, for applications: the claims `roles` (RFC 9068 section 2.2.3.1), `permissions` and `org`.

Each comes with the scope of its name and says what is true when it is read: an access token keeps what was true when
it was issued; UserInfo and introspection tell what is true now.
"""

from sqlalchemy import Connection

from server.accounts import organizations, roles
from server.accounts.user import User
from server.languages import Message as _
from server.protocol.extension import Extension


def roles_of(_db: Connection, user: User) -> list[str]:
    """Return the `roles` claim (RFC 7643 section 4.1.2)."""
    return sorted(user.roles)


ROLES_AND_ORGANIZATIONS = Extension(
    name="roles_and_organizations",
    title="Roles, permissions and organizations",
    specification="https://www.rfc-editor.org/rfc/rfc9068#section-2.2.3.1",
    scopes={
        "roles": _("See the roles you have"),
        "permissions": _("See what you are permitted to do"),
        "org": _("See the organizations you belong to, and your role in each"),
    },
    person_claims={"roles": roles_of, "permissions": roles.permissions_of, "org": organizations.claim_of},
)
