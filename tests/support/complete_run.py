"""A pytest plugin for whole runs: a test that was left out fails the run. `make test` loads it."""

import pytest

LEFT_OUT = ("skipped", "xfailed", "deselected")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and _left_out(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = _left_out(config)
    if left_out:
        terminalreporter.write_line(
            f"a whole run leaves nothing out, but this one did: {', '.join(left_out)}", red=True
        )


def _left_out(config: pytest.Config) -> list[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if isinstance(reporter, pytest.TerminalReporter) else {}
    return [f"{len(stats[name])} {name}" for name in LEFT_OUT if stats.get(name)]
