"""One file per specification beyond RFC 6749, and the order in which they act.

An extension knows its specification and no other extension. Removing one is removing its file, its line here, its test
and its row in docs/specifications.md.
"""

from server.extensions.authorization_server_metadata import AUTHORIZATION_SERVER_METADATA
from server.extensions.back_channel_logout import BACK_CHANNEL_LOGOUT
from server.extensions.backchannel_authentication import BACKCHANNEL_AUTHENTICATION
from server.extensions.client_id_metadata_documents import CLIENT_ID_METADATA_DOCUMENTS
from server.extensions.device_authorization import DEVICE_AUTHORIZATION
from server.extensions.dpop import DPOP
from server.extensions.dynamic_client_registration import DYNAMIC_CLIENT_REGISTRATION
from server.extensions.form_post import FORM_POST
from server.extensions.front_channel_logout import FRONT_CHANNEL_LOGOUT
from server.extensions.issuer_identification import ISSUER_IDENTIFICATION
from server.extensions.jwt_access_tokens import JWT_ACCESS_TOKENS
from server.extensions.jwt_bearer_grant import JWT_BEARER_GRANT
from server.extensions.jwt_client_authentication import JWT_CLIENT_AUTHENTICATION
from server.extensions.jwt_introspection_responses import JWT_INTROSPECTION_RESPONSES
from server.extensions.jwt_secured_authorization_requests import JWT_SECURED_AUTHORIZATION_REQUESTS
from server.extensions.jwt_secured_authorization_responses import JWT_SECURED_AUTHORIZATION_RESPONSES
from server.extensions.multiple_response_types import MULTIPLE_RESPONSE_TYPES
from server.extensions.mutual_tls import MUTUAL_TLS
from server.extensions.openid_connect import OPENID_CONNECT
from server.extensions.pkce import PKCE
from server.extensions.protected_resource_metadata import PROTECTED_RESOURCE_METADATA
from server.extensions.pushed_authorization_requests import PUSHED_AUTHORIZATION_REQUESTS
from server.extensions.resource_indicators import RESOURCE_INDICATORS
from server.extensions.rich_authorization_requests import RICH_AUTHORIZATION_REQUESTS
from server.extensions.roles_and_organizations import ROLES_AND_ORGANIZATIONS
from server.extensions.rp_initiated_logout import RP_INITIATED_LOGOUT
from server.extensions.security_profiles import SECURITY_PROFILES
from server.extensions.session_management import SESSION_MANAGEMENT
from server.extensions.step_up_authentication import STEP_UP_AUTHENTICATION
from server.extensions.token_exchange import TOKEN_EXCHANGE
from server.extensions.token_introspection import TOKEN_INTROSPECTION
from server.extensions.token_revocation import TOKEN_REVOCATION
from server.protocol.extension import Extension

EXTENSIONS: tuple[Extension, ...] = (
    AUTHORIZATION_SERVER_METADATA,
    PKCE,
    OPENID_CONNECT,
    ISSUER_IDENTIFICATION,
    FORM_POST,
    JWT_SECURED_AUTHORIZATION_RESPONSES,
    MULTIPLE_RESPONSE_TYPES,
    PUSHED_AUTHORIZATION_REQUESTS,
    JWT_SECURED_AUTHORIZATION_REQUESTS,
    JWT_ACCESS_TOKENS,
    ROLES_AND_ORGANIZATIONS,
    RESOURCE_INDICATORS,
    RICH_AUTHORIZATION_REQUESTS,
    DEVICE_AUTHORIZATION,
    BACKCHANNEL_AUTHENTICATION,
    TOKEN_EXCHANGE,
    JWT_BEARER_GRANT,
    JWT_CLIENT_AUTHENTICATION,
    TOKEN_INTROSPECTION,
    JWT_INTROSPECTION_RESPONSES,
    TOKEN_REVOCATION,
    DPOP,
    MUTUAL_TLS,
    SECURITY_PROFILES,
    STEP_UP_AUTHENTICATION,
    RP_INITIATED_LOGOUT,
    BACK_CHANNEL_LOGOUT,
    FRONT_CHANNEL_LOGOUT,
    SESSION_MANAGEMENT,
    DYNAMIC_CLIENT_REGISTRATION,
    CLIENT_ID_METADATA_DOCUMENTS,
    PROTECTED_RESOURCE_METADATA,
)
