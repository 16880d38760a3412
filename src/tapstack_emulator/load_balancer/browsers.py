"""What keeps web pages away from a load balancer on this machine: whatever a browser has open can reach it.

A page of anybody may post to 127.0.0.1, and one whose name is made to lead there (DNS rebinding) may read the
answers too. A browser says truthfully whose page it is, and which name it looked up: by ``Origin`` and
``Host``. Pages that may use it are told so as CORS wants it [1]_.

.. [1] https://fetch.spec.whatwg.org/#http-cors-protocol, read 2026-11-29
"""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec
from multidict import CIMultiDictProxy

from tapstack_emulator.load_balancer.wire import Answer

PREFLIGHT_MAX_AGE_S = 600
ECHOED_CHARACTERS_MAX = 100
_LOCAL = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9-]+")


class BrowserGuard:
    """Decides whether a request may come in, by its headers alone.

    Parameters
    ----------
    origins
        Of the pages that may use the API, such as ``http://localhost:3000``.
    """

    def __init__(self, origins: Collection[str] = ()) -> None:
        self._origins = frozenset(origins)

    def answer(self, method: str, headers: CIMultiDictProxy[str]) -> Answer | None:
        """Return the answer to a request that does not come in: a refusal, or what a browser asks first."""
        hosts = headers.getall("Host", [""])
        for host in hosts:
            if _LOCAL.fullmatch(host) is None and not _is_by_hand(host, headers):
                return _refusal(f"expected Host: 127.0.0.1, localhost or [::1], got {_shown(host)}")
        for origin in headers.getall("Origin", []):
            if origin not in self._origins and origin.lower() != f"http://{hosts[0].lower()}":
                return _refusal(
                    f"a web page of {_shown(origin)} may not use this API; "
                    "if it is yours, start tapstack local with --allow-origin and its origin"
                )
        if method == "OPTIONS" and "Access-Control-Request-Method" in headers:
            return Answer(status=204, reason="No Content", headers=_preflight(headers), body=b"")
        return None

    def granted(self, headers: CIMultiDictProxy[str]) -> dict[str, str]:
        """Return what the answer to a page's request says, so that the browser lets the page read it."""
        origin = headers.get("Origin")
        if origin is None or origin not in self._origins:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",  # which some SDKs ask for; no cookie is read
            "Vary": "Origin",
        }


def _is_by_hand(host: str, headers: CIMultiDictProxy[str]) -> bool:
    """Return whether somebody wrote the request by hand, with any word for a host.

    Every browser sends a ``User-Agent``, and a name without a dot cannot be registered.
    """
    is_browser = "User-Agent" in headers or "Origin" in headers
    return not is_browser and _WORD.fullmatch(host) is not None


def _preflight(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    return {
        "Access-Control-Allow-Methods": "GET, HEAD, POST",
        "Access-Control-Allow-Headers": headers.get("Access-Control-Request-Headers", "Content-Type"),
        "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE_S),
    }


def _refusal(message: str) -> Answer:
    body = msgspec.json.encode({"code": "forbidden", "message": message})
    return Answer(status=403, reason="Forbidden", headers={"Content-Type": "application/json"}, body=body)


def _shown(text: str) -> str:
    """Quote what came, in bounds; bytes that are no text are replaced."""
    return repr(text.encode(errors="replace").decode()[:ECHOED_CHARACTERS_MAX])
