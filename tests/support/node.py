"""Node.js scripts: JavaScript clients from the npm packages that `package-lock.json` names."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "interop"


def run_script(script: Path | str, argument: Any = None, *, seconds: int = 60, **environment: str) -> Any:
    """Run a script, by its path or its name in tests/interop, and return the JSON that it prints.

    The script finds `argument` as JSON in `process.argv[2]`. A script that ends with an error fails the test with what
    it said.
    """
    node = shutil.which("node")
    if node is None:
        raise RuntimeError("Node.js is not installed: run scripts/provision")
    if not (ROOT / "node_modules").is_dir():
        raise RuntimeError("the npm packages are not installed: run `npm ci`")
    path = SCRIPTS / script
    result = subprocess.run(
        [node, str(path), json.dumps(argument)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if result.returncode != 0:
        raise AssertionError(f"{path.name} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return json.loads(result.stdout or "null")
