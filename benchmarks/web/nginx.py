"""nginx for a folder, on free loopback ports, with its own configuration; never the system's service."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CONFIGURATION = """
daemon off;
pid {work}/nginx.pid;
error_log {work}/error.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    types {{ image/jpeg jpg jpeg; image/png png; image/gif gif; }}
    client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
    keepalive_requests 100000;
    ssl_certificate {work}/own.pem; ssl_certificate_key {work}/key.pem;
    server {{ listen 127.0.0.1:{http} backlog=1024; listen 127.0.0.1:{https} ssl backlog=1024; root {folder}; }}
}}
"""
ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Served:
    """The addresses of a served folder."""

    ports: dict[str, int]
    """By scheme: http and https."""
    certificates: Path
    """The system's certificate authorities and the server's own certificate, for `SSL_CERT_FILE`: a client
    that verifies has as much to read as on the web."""


@contextmanager
def nginx(folder: Path, work: Path) -> Iterator[Served]:
    """Serves `folder`; nginx's own files go to `work`. Exits with a message without nginx or openssl."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None or shutil.which("openssl") is None:
        sys.exit(
            "nginx or openssl is not there, so there is no server to fetch from; install them: "
            "apt-get install nginx-light openssl"
        )
    http, https = _free_ports()
    served = Served({"http": http, "https": https}, _certificates(work))
    configuration = work / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(work=work, folder=folder, http=http, https=https))
    for path in (work, folder):
        path.chmod(0o755)  # its worker is another user if root starts it
    with subprocess.Popen([program, "-c", str(configuration), "-e", str(work / "error.log")]) as server:
        try:
            _wait_for(http, server)
            yield served
        finally:
            server.terminate()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind((ADDRESS, 0))
        second.bind((ADDRESS, 0))
        return first.getsockname()[1], second.getsockname()[1]


def _certificates(work: Path) -> Path:
    """Create `own.pem` with its key; returns the file of all certificates that a client must trust."""
    own, together = work / "own.pem", work / "trusted.pem"
    request = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={ADDRESS} -addext"
    files = ["-keyout", str(work / "key.pem"), "-out", str(own)]
    command = ["openssl", *request.split(), f"subjectAltName=IP:{ADDRESS}", *files]
    subprocess.run(command, check=True, capture_output=True)
    authorities = ssl.get_default_verify_paths().cafile
    together.write_text((Path(authorities).read_text() if authorities else "") + own.read_text())
    return together


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
            if server.poll() is not None:
                break
    sys.exit(f"nginx did not start on 127.0.0.1:{port}; its error log is in its own folder")
