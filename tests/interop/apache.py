"""Apache with modules of Debian's, in a folder that its own user can read."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.process import Program, free_port

MODULES = Path("/usr/lib/apache2/modules")
ALWAYS = ("mpm_event", "unixd", "authn_core", "authz_core", "authz_user", "headers", "dir", "mime", "env", "setenvif")
CONFIGURATION = """
ServerName localhost
ServerRoot {folder}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
LogLevel warn
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 8
Listen 127.0.0.1:{port}
{modules}
{user}
TypesConfig /dev/null
DocumentRoot {folder}/site
"""


class Apache:
    """A web server with a public page, and pages under `paths` that its configuration guards."""

    def __init__(self, folder: Path, *paths: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.public = f"{self.url}/public.html"
        site = folder / "site"
        for path in paths:
            (site / path).mkdir(parents=True)
            (site / path / "index.html").write_text("the inner garden", "utf-8")
        (site / "public.html").write_text("the street", "utf-8")

    @property
    def log(self) -> str:
        """What Apache complained about."""
        path = self.folder / "error.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def run(self, directives: str, *modules: str) -> Program:
        """Return the program with further directives and the modules that these need."""
        missing = [name for name in modules if not (MODULES / f"mod_{name}.so").exists()]
        assert not missing, f"Apache has no module {missing[0]}: run scripts/provision"
        built_in = [name for name in ALWAYS if not (MODULES / f"mod_{name}.so").exists()]
        loaded = [name for name in (*ALWAYS, *modules) if name not in built_in]
        text = CONFIGURATION.format(
            folder=self.folder,
            port=self.port,
            modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in loaded),
            user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
        )
        configuration = self.folder / "apache.conf"
        configuration.write_text(text + directives, "utf-8")
        apache = shutil.which("apache2") or "/usr/sbin/apache2"
        command = [apache, "-f", str(configuration), "-DFOREGROUND"]
        return Program(command, self.public, self.folder / "apache.log", {})


@contextlib.contextmanager
def apache_folder() -> Iterator[Path]:
    """A folder that ends with the test."""
    folder = Path(tempfile.mkdtemp(prefix="ostiary-apache-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
