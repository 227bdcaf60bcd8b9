"""Empty environment variables, as compose files hand them on: no value, but where nothing is a value of its own."""

from pathlib import Path

import pytest

from server.settings import PREFIX, Settings, SettingsError, load

FIELDS = Settings.model_fields
MEANS_SOMETHING = [name for name, field in FIELDS.items() if type(field.default) in (str, tuple)]


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in MEANS_SOMETHING])
def test_an_empty_variable_is_as_none(name: str, tmp_path: Path) -> None:
    for variable in (PREFIX + name.upper(), PREFIX + name.upper() + "_FILE"):
        found = load({variable: ""}, tmp_path)
        assert (found.settings, found.origins, found.unknown) == (Settings.model_validate({}), {}, ())


def test_it_hides_no_other_value(tmp_path: Path) -> None:
    (tmp_path / "ostiary.toml").write_text('port = 9000\nca_file = ""\n', "utf-8")
    (tmp_path / "workers").write_text("2\n", "utf-8")
    given = {"OSTIARY_PORT": "", "OSTIARY_CONFIG": "", "OSTIARY_REQUEST_SECONDS": ""}
    settings = load({**given, "OSTIARY_REQUEST_SECONDS_FILE": str(tmp_path / "workers")}, tmp_path).settings
    assert (settings.port, settings.request_seconds, settings.ca_file) == (9000, 2, None)


def test_an_empty_text_or_list_is_a_value(tmp_path: Path) -> None:
    (tmp_path / "ostiary.toml").write_text('default_role = "member"\nmfa_roles = ["admin"]\n', "utf-8")
    names = ("DEFAULT_ROLE", "MFA_ROLES", "ENCRYPTION_ALGORITHMS")
    settings = load({PREFIX + name: "" for name in names}, tmp_path).settings
    assert (settings.default_role, settings.mfa_roles, settings.encryption_algorithms) == ("", (), ())


@pytest.mark.parametrize("name", ["ISSUER", "SIGNING_ALGORITHMS", "RESPONSE_TYPES", "LANGUAGES", "BRAND_NAME"])
def test_what_must_not_be_empty_is_refused_by_name(name: str) -> None:
    with pytest.raises(SettingsError, match=PREFIX + name):
        load({PREFIX + name: ""})
