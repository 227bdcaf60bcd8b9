"""One file per specification beyond RFC 6749, and the order in which they act.

An extension knows its specification and no other extension. Removing one is removing its file, its line here, its test
and its row in docs/specifications.md.
"""

from server.extensions.authorization_server_metadata import AUTHORIZATION_SERVER_METADATA
from server.extensions.form_post import FORM_POST
from server.extensions.issuer_identification import ISSUER_IDENTIFICATION
from server.extensions.jwt_access_tokens import JWT_ACCESS_TOKENS
from server.extensions.jwt_client_authentication import JWT_CLIENT_AUTHENTICATION
from server.extensions.openid_connect import OPENID_CONNECT
from server.extensions.pkce import PKCE
from server.extensions.roles_and_organizations import ROLES_AND_ORGANIZATIONS
from server.extensions.rp_initiated_logout import RP_INITIATED_LOGOUT
from server.extensions.token_introspection import TOKEN_INTROSPECTION
from server.extensions.token_revocation import TOKEN_REVOCATION
from server.protocol.extension import Extension

EXTENSIONS: tuple[Extension, ...] = (
    AUTHORIZATION_SERVER_METADATA,
    PKCE,
    OPENID_CONNECT,
    ISSUER_IDENTIFICATION,
    FORM_POST,
    JWT_ACCESS_TOKENS,
    ROLES_AND_ORGANIZATIONS,
    JWT_CLIENT_AUTHENTICATION,
    TOKEN_INTROSPECTION,
    TOKEN_REVOCATION,
    RP_INITIATED_LOGOUT,
)
