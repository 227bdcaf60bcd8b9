"""A Node.js script that asks while it runs: it writes one JSON object a line, and reads one value a line.

`{"ask": what, "with": value}` is a question, answered by the function of that name; `{"result": value}` is the end.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.node import ROOT, SCRIPTS

Answers = Mapping[str, Callable[[Any], Awaitable[Any]]]
LIMIT_BYTES = 1 << 20


async def converse(script: Path | str, argument: Any, answers: Answers, *, seconds: int = 60) -> Any:
    """Run a script in tests/interop and return its result; one that ends without fails the test with what it said."""
    node = shutil.which("node")
    if node is None:
        raise RuntimeError("Node.js is not installed: run scripts/provision")
    if not (ROOT / "node_modules").is_dir():
        raise RuntimeError("the npm packages are not installed: run `npm ci`")
    process = await asyncio.create_subprocess_exec(
        node,
        str(SCRIPTS / script),
        json.dumps(argument),
        cwd=ROOT,
        env=dict(os.environ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LIMIT_BYTES,
    )
    try:
        async with asyncio.timeout(seconds):
            return await _talk(process, answers, str(script))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _talk(process: asyncio.subprocess.Process, answers: Answers, name: str) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    while line := await process.stdout.readline():
        said = json.loads(line)
        if "result" in said:
            return said["result"]
        answer = await answers[said["ask"]](said["with"])
        process.stdin.write(json.dumps(answer).encode() + b"\n")
        await process.stdin.drain()
    raise AssertionError(f"{name} ended without a result:\n{(await process.stderr.read()).decode()}")
