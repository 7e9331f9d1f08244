"""The server of the viewer: where it listens, and what it says of that."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable

from aiohttp import web

from m3w.pipeline.inspect.viewer.application import Viewer, application
from m3w.pipeline.inspect.viewer.guard import Guard, is_loopback
from m3w.recipes.errors import InputError

PORT = 8008


def serve(
    viewer: Viewer,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    names: frozenset[str] = frozenset(),
    say: Callable[[str], None] = print,
) -> None:
    """Serve `viewer` until the process is interrupted; `say` is told the address first.

    Beyond this machine a token is asked of everyone; one is made if none is given. Port 0 takes a free one. Raises
    `InputError` where nothing can listen there.
    """
    token = token_for(host, token)
    listening = _listen(host, port)
    app = application(viewer, Guard(token, names))
    shown = host if ":" not in host else f"[{host}]"
    query = f"/?token={token}" if token else "/"
    say(f"{viewer.folder.path}: http://{shown}:{listening.getsockname()[1]}{query}")
    web.run_app(app, sock=listening, print=None, access_log=None, shutdown_timeout=1, loop=asyncio.new_event_loop())


def token_for(host: str, given: str | None) -> str | None:
    """The token that a server on `host` asks for; an empty one, which everyone has, counts as none given."""
    return given or (None if is_loopback(host) else secrets.token_urlsafe(24))


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise InputError(f"nothing can listen on {host}:{port} ({error}); give another --port or --host") from error
