"""nginx over a folder, on a free loopback port, with a configuration of its own: never the system's service."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    server {{ listen 127.0.0.1:{port} backlog=1024; root {folder}; }}
}}
"""


@contextmanager
def nginx(folder: Path, work: Path) -> Iterator[int]:
    """Serves `folder` and gives the port; `work` is where its own files go. Exits with a message without nginx."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        sys.exit("nginx is not there, so there is no server to fetch from; install it: apt-get install nginx-light")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = work / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(work=work, folder=folder, port=port))
    for path in (work, folder):
        path.chmod(0o755)  # its worker is another user if root starts it
    with subprocess.Popen([program, "-c", str(configuration), "-e", str(work / "error.log")]) as server:
        try:
            _wait_for(port, server)
            yield port
        finally:
            server.terminate()


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
