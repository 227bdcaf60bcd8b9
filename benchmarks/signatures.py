"""How many RSA-2048 signatures the cores can make, with nothing around them: the ceiling of every token endpoint."""

import multiprocessing
import shutil
import subprocess
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

BITS = 2048
PAYLOAD = b"x" * 400
"""About what is signed of an access token: header and claims."""
START_SECONDS = 60


def _sign_for(seconds: float, ready: Barrier, rates: "Queue[float]") -> None:
    key = generate_private_key(65537, BITS)
    padding, digest = PKCS1v15(), SHA256()
    key.sign(PAYLOAD, padding, digest)  # the first one sets the blinding up
    ready.wait(START_SECONDS)
    count, began = 0, time.perf_counter()
    end = began + seconds
    while time.perf_counter() < end:
        key.sign(PAYLOAD, padding, digest)
        count += 1
    rates.put(count / (time.perf_counter() - began))


def by_python(processes: int, seconds: float) -> float:
    """Return signatures a second by the library that Ostiary signs with, in so many processes at once."""
    context = multiprocessing.get_context("spawn")
    ready, rates = context.Barrier(processes), context.Queue()
    started = [context.Process(target=_sign_for, args=(seconds, ready, rates), daemon=True) for _ in range(processes)]
    for process in started:
        process.start()
    total: float = sum(rates.get(timeout=START_SECONDS + seconds * 2) for _ in started)
    for process in started:
        process.join()
    return total


def by_openssl(processes: int, seconds: float) -> float | None:
    """Return signatures a second by `openssl speed`, None where there is no openssl."""
    if shutil.which("openssl") is None:
        return None
    # -elapsed: by default the divisor is the CPU time used, which hides what other programs took
    options = ["-elapsed", "-seconds", str(max(1, round(seconds))), "-multi", str(processes)]
    done = subprocess.run(
        ["openssl", "speed", "-mr", *options, f"rsa{BITS}"], capture_output=True, text=True, check=True
    )
    # the children's sum: +F2:<index>:<bits>:<signatures a second>:<verifications a second>
    fields = [line.split(":") for line in done.stdout.splitlines() if line.startswith("+F2:")]
    return float(fields[-1][3])
