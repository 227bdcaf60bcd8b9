"""The command line in this process, on both databases."""

import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from typer.testing import CliRunner, Result

from server.cli import app
from tests.conftest import SettingsFor


class CommandLine:
    """Runs `ostiary` with the environment of one server."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self._runner = CliRunner()

    def run(self, *arguments: str, stdin: str | None = None, **environment: str) -> Result:
        values = {**self.environment, **environment}
        # `serve` leaves its options in the environment for its workers: they must not reach the next test.
        with patch.dict(os.environ):
            return self._runner.invoke(app, list(arguments), input=stdin, env=values)

    def json(self, *arguments: str, stdin: str | None = None) -> Any:
        """Run a command that must succeed and return its JSON."""
        result = self.run(*arguments, "--json", stdin=stdin)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def refusal(self, *arguments: str, stdin: str | None = None, **environment: str) -> str:
        """Run a command that must be refused and return the one line it says."""
        result = self.run(*arguments, stdin=stdin, **environment)
        assert result.exit_code == 1, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1, result.stderr
        return lines[0]


@pytest.fixture
def ostiary(settings_for: SettingsFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A command line for an empty server."""
    monkeypatch.chdir(tmp_path)
    settings = settings_for()
    environment = {
        "OSTIARY_DATA_DIR": str(settings.data_dir),
        "OSTIARY_DATABASE_URL": settings.database_url,
        "OSTIARY_SECRET_KEY": settings.secret_key,
        "OSTIARY_ISSUER": settings.issuer,
        "OSTIARY_ARGON2_TIME_COST": "1",
        "OSTIARY_ARGON2_MEMORY_KIB": "8",
    }
    # No keys for encryption: a test of them names its own algorithms.
    without = {"OSTIARY_ENCRYPTION_ALGORITHMS": ""}
    command_line = CommandLine({name: value for name, value in environment.items() if value} | without)
    command_line.json("db", "upgrade")
    return command_line
