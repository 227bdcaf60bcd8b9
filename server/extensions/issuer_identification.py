"""The `iss` parameter of authorization responses: RFC 9207. `pages/answer.py` adds it to every answer."""

from server.protocol.extension import Extension

ISSUER_IDENTIFICATION = Extension(
    name="issuer_identification",
    title="RFC 9207 Authorization Server Issuer Identification",
    specification="https://www.rfc-editor.org/rfc/rfc9207",
    metadata=lambda _services: {"authorization_response_iss_parameter_supported": True},
)
