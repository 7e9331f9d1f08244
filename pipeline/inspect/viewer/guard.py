"""Who may ask the viewer, and what a browser may do with the answers.

The viewer's pages show text of the open web, and other pages are open in the same browser. So the Host header must name
this server (a name that a foreign DNS server resolves to 127.0.0.1 does not), requests that change something must come
from the viewer's own page, only its own scripts run, and beyond this machine every request needs a token.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

COOKIE = "m3w_token"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    return host in LOOPBACK or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def token_for(host: str, given: str | None) -> str | None:
    """The token that a server on `host` requires; an empty one counts as none given."""
    return given or (None if is_loopback(host) else secrets.token_urlsafe(24))


@dataclass(frozen=True)
class Guard:
    """The rules of one server."""

    token: str | None = None
    """Required of every request; None only where nobody but this machine can connect."""
    names: frozenset[str] = field(default_factory=frozenset)
    """Host names that are accepted besides addresses and this machine's own names."""

    def middleware(self) -> Middleware:
        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            response: web.StreamResponse | None = self._refusal(request) or self._welcome(request)
            if response is None:
                response = await _answer(request, handler)
            response.headers.update(HEADERS)
            return response

        return guarded

    def _refusal(self, request: web.Request) -> web.Response | None:
        if not self._is_ours(request.host):
            return web.Response(status=421, text="this server does not go by that name")
        if request.method not in ("GET", "HEAD") and not _from_own_page(request):
            return web.Response(status=403, text="this must come from the viewer's own page")
        if self.token is not None and not self._has_token(request):
            return web.Response(status=401, text="open the address with ?token=... that m3w view printed")
        return None

    def _welcome(self, request: web.Request) -> web.Response | None:
        """Turn a token in the URL into a cookie, so that it stays out of the history and of links."""
        if self.token is None or "token" not in request.query:
            return None
        response = web.Response(status=303, headers={"Location": request.path})
        response.set_cookie(COOKIE, self.token, httponly=True, samesite="Strict", path="/")
        return response

    def _has_token(self, request: web.Request) -> bool:
        given = request.query.get("token") or request.cookies.get(COOKIE) or ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), (self.token or "").encode())

    def _is_ours(self, host: str) -> bool:
        """Without a token only this machine's loopback names; with one also addresses, which no DNS can redirect."""
        name = _without_port(host)
        if name in LOOPBACK:
            return True
        if self.token is None:
            return _is_address(name) and is_loopback(name)
        return _is_address(name) or name in self.names | {socket.gethostname().lower(), socket.getfqdn().lower()}


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return web.Response(status=error.status, text=f"{error.status} {error.reason}")


def _from_own_page(request: web.Request) -> bool:
    """JSON, which another site's page may not send here, and from our own page where the browser says so."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    same = site in (None, "same-origin") and origin in (None, f"{request.scheme}://{request.host}")
    return same and request.content_type == "application/json"


def _without_port(host: str) -> str:
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    return name.lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
