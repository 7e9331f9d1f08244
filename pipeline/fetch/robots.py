"""robots.txt of one origin (RFC 9309): what may be asked for, and how far apart."""

from __future__ import annotations

from protego import Protego

MAX_BYTES = 500 * 1024
"""RFC 9309, section 2.5, wants at least so much to be read."""
MAX_REDIRECTS = 5
HOURS_VALID = 24
"""RFC 9309, section 2.4: at most this old."""


class Robots:
    """The rules for one agent. `basis` says what they rest on, for the record."""

    def __init__(self, agent: str, *, basis: str, rules: Protego | None = None, allows_all: bool = False):
        self.basis = basis
        self._agent, self._rules, self._allows_all = agent, rules, allows_all
        self.delay_s = _delay(rules, agent)

    def allows(self, url: str) -> bool:
        return self._allows_all if self._rules is None else bool(self._rules.can_fetch(url, self._agent))


def robots_of(agent: str, status: int, content: bytes) -> Robots:
    """The rules after an answer of `status`: a file that is there is read, without one everything is allowed."""
    basis = f"robots.txt {status}"
    return _parsed(agent, basis, content) if 200 <= status < 300 else Robots(agent, basis=basis, allows_all=True)


def no_rules(agent: str) -> Robots:
    """The rules of a recipe that says `robots: false`."""
    return Robots(agent, basis="robots.txt not asked", allows_all=True)


def _parsed(agent: str, basis: str, content: bytes) -> Robots:
    text = content[:MAX_BYTES].decode("utf-8-sig", "replace")
    try:
        return Robots(agent, basis=basis, rules=Protego.parse(text))
    except Exception as error:  # whatever a hostile file does to the parser: then nothing is allowed
        return Robots(agent, basis=f"{basis}, unreadable: {type(error).__name__}")


def _delay(rules: Protego | None, agent: str) -> float:
    """Seconds between two requests that `Crawl-delay` or `Request-rate` ask for."""
    if rules is None:
        return 0.0
    rate = rules.request_rate(agent)
    from_rate = rate.seconds / rate.requests if rate and rate.requests else 0.0
    return max(float(rules.crawl_delay(agent) or 0.0), from_rate)
