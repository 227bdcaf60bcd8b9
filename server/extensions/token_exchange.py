"""OAuth 2.0 Token Exchange: RFC 8693, of our own access tokens."""

from server.grants.token_exchange import TokenExchangeGrant
from server.protocol.extension import Extension

TOKEN_EXCHANGE = Extension(
    name="token_exchange",
    title="RFC 8693 Token Exchange",
    specification="https://www.rfc-editor.org/rfc/rfc8693",
    grants=(TokenExchangeGrant,),
)
