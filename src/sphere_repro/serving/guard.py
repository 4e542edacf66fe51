"""Who may ask: the page itself, from this machine; no page of another origin, under no other name."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

# Of every answer. The page loads its own files alone, and no other page shows it in a frame.
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
INSTEAD = "Open the address that the terminal shows."


def refusal(headers: Mapping[str, str], allowed: frozenset[str], *, page: bool) -> str:
    """Why a request is refused, in one sentence; empty where it is not.

    A name in Host that is none of ours is one that somebody else's server now says to be this machine (DNS
    rebinding): an address in digits cannot be such a name.

    Args:
        headers: of the request.
        allowed: names under which this machine may be called, beside addresses in digits.
        page: whether the page is asked for, which a link elsewhere may lead to, or an answer.
    """
    host = headers.get("Host", "")
    name = _name(host)
    if name is None or not (name in allowed or _is_address(name)):
        return f"This page is not served under the name {host[:100]!r}. {INSTEAD}"
    origin = headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return f"A page of another origin asked, which is refused. {INSTEAD}"
    if not page and headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return f"A page of another site asked, which is refused. {INSTEAD}"
    return ""


def _name(host: str) -> str | None:
    try:
        parts = urlsplit(f"//{host}")
        _port = parts.port  # raises where it is none
    except ValueError:
        return None
    plain = parts.netloc == host and "@" not in host and not parts.path
    return parts.hostname.lower() if plain and parts.hostname else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
