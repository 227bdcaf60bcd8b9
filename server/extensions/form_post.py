"""`response_mode=form_post`: OAuth 2.0 Form Post Response Mode 1.0. `pages/answer.py` renders the form."""

from server.protocol.checks import RESPONSE_MODES
from server.protocol.extension import Extension

FORM_POST = Extension(
    name="form_post",
    title="OAuth 2.0 Form Post Response Mode 1.0",
    specification="https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html",
    metadata=lambda _services: {"response_modes_supported": list(RESPONSE_MODES)},
)
