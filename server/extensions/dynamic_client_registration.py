"""Dynamic client registration and its management: RFC 7591 and RFC 7592. Off unless an operator switches it on."""

from server.endpoints.client_configuration import configuration
from server.endpoints.registration import register
from server.protocol.extension import Endpoint, Extension
from server.settings import ClientRegistration

DYNAMIC_CLIENT_REGISTRATION = Extension(
    name="dynamic_client_registration",
    title="RFC 7591 OAuth 2.0 Dynamic Client Registration, RFC 7592 Management",
    specification="https://www.rfc-editor.org/rfc/rfc7591",
    is_enabled=lambda settings: settings.client_registration is not ClientRegistration.OFF,
    endpoints=(
        Endpoint("registration_endpoint", "/register", ("POST",), register, is_cross_origin=True),
        Endpoint(
            "registration_client_uri",
            "/register/{client_id}",
            ("GET", "PUT", "DELETE"),
            configuration,
            is_cross_origin=True,
            is_announced=False,
        ),
    ),
)
