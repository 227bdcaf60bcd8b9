"""Templates become responses here, with the headers that every page carries."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment
from starlette.responses import HTMLResponse

from server.languages import Language, Languages
from server.languages.language import CATALOGUES
from server.languages.templates import DIRECTORY, environment_of
from server.settings import Settings

LIGHT, DARK = "#ffffff", "#101418"
_LUMINANCE_THRESHOLD = 0.36


@dataclass(frozen=True, slots=True)
class Brand:
    """What operators call their server and how it looks."""

    name: str
    logo_url: str | None
    support_url: str | None


class Renderer:
    """The templates of one server."""

    def __init__(self, settings: Settings, directory: Path = DIRECTORY) -> None:
        self._settings = settings
        self.static_directory = directory / "static"
        self._directory = directory
        self.languages = Languages(settings.languages, (settings.data_dir / "languages", CATALOGUES))
        self._environments = {language.tag: self._environment(language) for language in self.languages}

    def _environment(self, language: Language) -> Environment:
        brand = Brand(self._settings.brand_name, self._logo(), self._settings.support_url or None)
        return environment_of(language, self._directory, brand=brand, static=self.static, url=self.url)

    def _logo(self) -> str | None:
        return self._settings.brand_logo_url or None

    def url(self, path: str) -> str:
        """Return the URL of one of our paths, relative to the host."""
        return self._settings.issuer_path + path

    def static(self, path: str) -> str:
        """Return the URL of a static file, with a version so that it can be cached for long."""
        return self.url(f"/static/{path}?v={self.version}")

    @cached_property
    def version(self) -> str:
        """A short digest of all static files and the brand."""
        digest = hashlib.sha256(self.brand_stylesheet.encode())
        for file in sorted(self.static_directory.rglob("*")):
            if file.is_file():
                digest.update(file.read_bytes())
        return digest.hexdigest()[:12]

    @cached_property
    def brand_stylesheet(self) -> str:
        """The brand's colour, and the text colour that is readable on it (WCAG 2.2 success criterion 1.4.3)."""
        color = self._settings.brand_color
        contrast = LIGHT if _luminance(color) < _LUMINANCE_THRESHOLD else DARK
        return f":root {{ --brand: {color}; --brand-contrast: {contrast}; }}\n"

    def page(
        self,
        template: str,
        context: Mapping[str, Any],
        *,
        request_id: str,
        csrf_token: str,
        language: Language,
        status: int = 200,
        form_targets: tuple[str, ...] = (),
        frames: tuple[str, ...] = (),
    ) -> HTMLResponse:
        """Render a page. `form_targets` are URLs that its form may lead to besides our own; `frames` it may frame."""
        values = {"request_id": request_id, "csrf_token": csrf_token, **context}
        response = HTMLResponse(self._environments[language.tag].get_template(template).render(values), status)
        response.headers["content-security-policy"] = self._policy(form_targets, frames)
        response.headers["content-language"] = language.tag
        response.headers["cache-control"] = "no-store"
        response.headers["x-frame-options"] = "DENY"
        response.headers["referrer-policy"] = "no-referrer"
        return response

    def _policy(self, form_targets: tuple[str, ...], frames: tuple[str, ...]) -> str:
        # Browsers hold form-action against redirects after a form, so the client's origin must be in it.
        targets = " ".join(dict.fromkeys(["'self'", *(source_of(url) for url in form_targets)]))
        logo = urlsplit(self._settings.brand_logo_url)
        image = f" {logo.scheme}://{logo.netloc}" if logo.netloc else ""
        framed = " ".join(dict.fromkeys(source_of(url) for url in frames))
        return (
            f"default-src 'none'; style-src 'self'; img-src 'self' data:{image}; script-src 'self'; "
            + (f"frame-src {framed}; " if framed else "")
            + f"form-action {targets}; frame-ancestors 'none'; base-uri 'none'"
        )


def source_of(url: str) -> str:
    """Return a URL as a source of a Content-Security-Policy: its origin, or its scheme where it has no host.

    The policy's grammar has no IPv6 addresses, so a client at `[::1]` is named by its scheme too.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or "[" in parts.netloc:
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"


def _luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]  # noqa: PLR2004  sRGB
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
