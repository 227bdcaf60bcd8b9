"""The tables. A migration in `migrations/versions` makes each of them; a test holds the two together.

Times are Unix seconds. Whatever is only compared is kept as a digest; what must be read back is sealed.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

DIGEST = String(64)
IDENTIFIER = String(64)
Time = BigInteger

versions = Table(
    "versions",
    metadata,
    # One row a cached thing ("registry": clients, scopes, keys); a process that sees it move forgets its copies.
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", IDENTIFIER, primary_key=True),
    Column("email", String(320), nullable=False),
    Column("email_normalized", String(320), nullable=False, unique=True),
    Column("email_verified", Boolean, nullable=False),
    Column("username", String(128)),
    Column("username_normalized", String(128), unique=True),
    Column("organization", String(255)),
    Column("password_hash", Text),
    Column("password_changed_at", Time),
    # The standard claims of OpenID Connect Core section 5.1 other than sub, email and email_verified.
    Column("claims", JSON, nullable=False),
    Column("mfa_postponed_at", Time),
    # Since when codes by e-mail are one of the person's second factors; NULL: they are not.
    Column("email_factor_at", Time),
    # The language in which the person was last here, for mails: a BCP 47 tag.
    Column("language", String(35)),
    # When the person chose that language for the account; NULL: it follows the browser.
    Column("language_chosen_at", Time),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("disabled_at", Time),
    Column("deleted_at", Time),
    # When what is known about a deleted person is erased; until then an administrator can restore them.
    Column("erase_at", Time, index=True),
)

password_history = Table(
    "password_history",
    metadata,
    Column("id", IDENTIFIER, primary_key=True),
    Column("user_id", IDENTIFIER, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Time, nullable=False),
)

user_roles = Table(
    "user_roles",
    metadata,
    Column("user_id", IDENTIFIER, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(64), primary_key=True),
)

totp_devices = Table(
    "totp_devices",
    metadata,
    Column("id", IDENTIFIER, primary_key=True),
    Column("user_id", IDENTIFIER, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("sealed_secret", Text, nullable=False),
    # The last time step that was accepted: each step once, strictly rising (RFC 6238 section 5.2).
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("last_used_at", Time),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", IDENTIFIER, primary_key=True),
    Column("user_id", IDENTIFIER, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    # base64url; WebAuthn section 4 allows 1023 bytes.
    Column("credential_id", String(1400), nullable=False, unique=True),
    Column("public_key", Text, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", String(64), nullable=False),
    Column("aaguid", String(36), nullable=False),
    Column("transports", JSON, nullable=False),
    Column("is_backed_up", Boolean, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("last_used_at", Time),
)

trusted_browsers = Table(
    "trusted_browsers",
    metadata,
    # Browsers that need no second factor for a while; the cookie's value is a secret of which the digest is kept.
    Column("digest", DIGEST, primary_key=True),
    Column("user_id", IDENTIFIER, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("user_agent", String(255), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False, index=True),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", IDENTIFIER, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", DIGEST, primary_key=True),
    Column("created_at", Time, nullable=False),
    Column("consumed_at", Time),
)

sessions = Table(
    "sessions",
    metadata,
    # The `sid` of ID tokens; the cookie's value is another secret, of which only the digest is kept.
    Column("id", IDENTIFIER, primary_key=True),
    Column("digest", DIGEST, nullable=False, unique=True),
    Column("user_id", IDENTIFIER, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Time, nullable=False),
    Column("authenticated_at", Time, nullable=False),
    Column("last_used_at", Time, nullable=False),
    Column("idle_seconds", Integer, nullable=False),
    Column("expires_at", Time, nullable=False, index=True),
    Column("amr", JSON, nullable=False),
    Column("acr", String(32), nullable=False),
    Column("address", String(64), nullable=False),
    Column("user_agent", String(255), nullable=False),
    Column("ended_at", Time),
)

clients = Table(
    "clients",
    metadata,
    Column("client_id", String(255), primary_key=True),
    # Client metadata under its RFC 7591 names.
    Column("metadata", JSON, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("disabled_at", Time),
)

client_secrets = Table(
    "client_secrets",
    metadata,
    Column("id", IDENTIFIER, primary_key=True),
    Column("client_id", String(255), ForeignKey("clients.client_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("digest", DIGEST, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time),
    # The secret itself where it must be read back: client_secret_jwt. NULL: the digest is all there is.
    Column("sealed", Text),
)

registration_tokens = Table(
    "registration_tokens",
    metadata,
    # Initial access tokens (RFC 7591 section 3) that operators give to those who may register clients.
    Column("digest", DIGEST, primary_key=True),
    Column("uses_left", Integer, nullable=False),
    # Whether the operator vouches for whoever registers with it.
    Column("is_trusted", Boolean, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False, index=True),
)

client_registrations = Table(
    "client_registrations",
    metadata,
    # Clients that registered themselves, with the digest of their registration access token (RFC 7592 section 3).
    Column("client_id", String(255), ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True),
    Column("digest", DIGEST, nullable=False, unique=True),
)

session_clients = Table(
    "session_clients",
    metadata,
    # Which clients must be told when a sign-in ends: those that got tokens in it. Authorizations are cleared earlier.
    Column("session_id", IDENTIFIER, ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("client_id", String(255), ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True, index=True),
)

roles = Table(
    "roles",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("description", String(500), nullable=False),
    Column("created_at", Time, nullable=False),
)

role_permissions = Table(
    "role_permissions",
    metadata,
    Column("role", String(64), ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True),
    Column("permission", String(128), primary_key=True),
)

organizations = Table(
    "organizations",
    metadata,
    Column("id", IDENTIFIER, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("name_normalized", String(255), nullable=False, unique=True),
    Column("created_at", Time, nullable=False),
)

memberships = Table(
    "memberships",
    metadata,
    Column("organization_id", IDENTIFIER, ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", IDENTIFIER, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", String(64), nullable=False),
    Column("created_at", Time, nullable=False),
)

scopes = Table(
    "scopes",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("description", String(500), nullable=False),
    Column("created_at", Time, nullable=False),
)

resources = Table(
    "resources",
    metadata,
    # Protected resources (APIs): what RFC 8707 `resource` may name.
    Column("uri", String(500), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("scope", Text, nullable=False),
    # Ids of the clients that run it, and of those that may exchange a token for one to it (RFC 8693).
    Column("served_by", JSON, nullable=False),
    Column("allow_exchange_from", JSON, nullable=False),
    Column("created_at", Time, nullable=False),
)

authorization_detail_types = Table(
    "authorization_detail_types",
    metadata,
    # What `authorization_details` may ask for (RFC 9396), with the schema of each type.
    Column("type", String(128), primary_key=True),
    Column("description", String(500), nullable=False),
    Column("schema", JSON, nullable=False),
    Column("created_at", Time, nullable=False),
)

consents = Table(
    "consents",
    metadata,
    Column("user_id", IDENTIFIER, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("client_id", String(255), ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True),
    Column("scope", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

authorizations = Table(
    "authorizations",
    metadata,
    # The stored decision behind a code and all tokens that came from it; access tokens name it as `gid`.
    Column("id", IDENTIFIER, primary_key=True),
    Column("user_id", IDENTIFIER, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("client_id", String(255), ForeignKey("clients.client_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("session_id", IDENTIFIER, nullable=False, index=True),
    Column("scope", Text, nullable=False),
    Column("claims", JSON, nullable=False),
    # What extensions keep with it, by their own names: resources, authorization_details, cnf, act.
    Column("details", JSON, nullable=False, server_default=text("'{}'")),
    Column("auth_time", Time, nullable=False),
    Column("acr", String(32), nullable=False),
    Column("amr", JSON, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False, index=True),
    Column("revoked_at", Time),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column(
        "authorization_id", IDENTIFIER, ForeignKey("authorizations.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("client_id", String(255), nullable=False),
    Column("scope", Text, nullable=False),
    Column("issued_at", Time, nullable=False),
    # The idle limit; the absolute one is the authorization's expires_at.
    Column("expires_at", Time, nullable=False, index=True),
    Column("consumed_at", Time),
    # The successor is HMAC(successor_salt, presented token): a retry finds it again, a thief of this row does not.
    Column("successor_salt", String(64)),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    # Opaque access tokens, of clients with `access_token_format` opaque. JWTs are not stored.
    Column("digest", DIGEST, primary_key=True),
    Column("authorization_id", IDENTIFIER, ForeignKey("authorizations.id", ondelete="CASCADE"), index=True),
    # What the token says, as a JWT would (RFC 9068).
    Column("claims", JSON, nullable=False),
    Column("expires_at", Time, nullable=False, index=True),
)

one_time = Table(
    "one_time",
    metadata,
    # Everything that lives for seconds or minutes and is used once. The kind is part of the key.
    Column("kind", String(32), primary_key=True),
    Column("digest", DIGEST, primary_key=True),
    Column("payload", JSON, nullable=False),
    Column("user_id", IDENTIFIER, index=True),
    Column("client_id", String(255)),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
    Column("consumed_at", Time),
    # Kept beyond expiry where a second use must be recognised.
    Column("purge_at", Time, nullable=False, index=True),
)

backchannel_requests = Table(
    "backchannel_requests",
    metadata,
    # What clients ask people elsewhere (CIBA). Polls and decisions write columns of their own.
    Column("digest", DIGEST, primary_key=True),
    # What the person's page names it by.
    Column("id", IDENTIFIER, nullable=False, unique=True),
    Column("client_id", String(255), nullable=False),
    # Nobody's where the client named a person who is not here.
    Column("user_id", IDENTIFIER, index=True),
    Column("status", String(16), nullable=False),
    Column("request", JSON, nullable=False),
    Column("binding_message", String(255)),
    Column("address", String(64), nullable=False),
    # With what the client is told of the decision, until then.
    Column("sealed", Text),
    Column("authorization_id", IDENTIFIER),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
    Column("last_poll_at", Time),
    Column("poll_interval", Integer, nullable=False),
    # Kept beyond expiry, so that the client is told of it.
    Column("purge_at", Time, nullable=False, index=True),
)

outbox = Table(
    "outbox",
    metadata,
    # What must be sent after its transaction, such as mails. The text is sealed: it may hold one-time links.
    Column("id", IDENTIFIER, primary_key=True),
    Column("topic", String(32), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("user_id", IDENTIFIER, index=True),
    Column("created_at", Time, nullable=False),
    Column("next_try_at", Time, nullable=False, index=True),
    Column("tries", Integer, nullable=False),
    Column("last_error", String(255)),
)

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("jti", String(64), primary_key=True),
    Column("expires_at", Time, nullable=False, index=True),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(128), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("public_jwk", JSON, nullable=False),
    Column("sealed_private", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("activate_at", Time, nullable=False),
    Column("activated_at", Time),
    Column("retired_at", Time),
    Column("remove_at", Time),
    Column("revoked_at", Time),
    # Two active keys of one algorithm cannot exist, whoever races.
    Index(
        "uq_signing_keys_active_algorithm",
        "algorithm",
        unique=True,
        sqlite_where=text("state = 'active'"),
        postgresql_where=text("state = 'active'"),
    ),
)

server_secrets = Table(
    "server_secrets",
    metadata,
    # Made once by whichever node comes first, and never changed: what is derived from them is for ever.
    Column("name", String(64), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("created_at", Time, nullable=False),
)

throttles = Table(
    "throttles",
    metadata,
    # Counters of failed guesses, by digest of what is counted (an account, an address, a client).
    Column("digest", DIGEST, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("blocked_until", Time, nullable=False),
    Column("updated_at", Time, nullable=False, index=True),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Time, nullable=False, index=True),
    Column("event", String(64), nullable=False, index=True),
    # Who did it: a user's id, a client's id, `cli` or `system`.
    Column("actor", String(255), nullable=False),
    Column("user_id", IDENTIFIER, index=True),
    Column("client_id", String(255)),
    Column("address", String(64), nullable=False),
    # The browser or program that asked, so that people recognise their own doings.
    Column("user_agent", String(255)),
    Column("request_id", String(64), nullable=False),
    Column("details", JSON, nullable=False),
    sqlite_autoincrement=True,
)
