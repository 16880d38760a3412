"""The browser, system and device that a user agent names."""

from __future__ import annotations

from collections.abc import Mapping

from tapstack.core.memo import Memo

CHARS_MAX = 512  # longer ones are not browsers'
TEXT_CHARS_MAX = 64
_KNOWN_MAX = 4_096  # of different ones; each costs 40 us to read


def user_agent_of(text: str) -> Mapping[str, str] | None:
    """Return what a user agent names: ``browser``, ``os``, their versions, ``device``; None if nothing."""
    return _parsed[text[:CHARS_MAX]]


def _parse(text: str) -> Mapping[str, str] | None:
    import httpagentparser  # 8 ms that nobody else needs

    said = httpagentparser.detect(text)
    found: dict[str, str] = {}
    for ours, theirs in (("browser", "browser"), ("os", "platform")):
        part = said.get(theirs) or {}
        for name, value in ((ours, part.get("name")), (f"{ours}_version", part.get("version"))):
            if isinstance(value, str) and value:
                found[name] = value[:TEXT_CHARS_MAX]
    if not found:
        return None
    found["device"] = _device(text)
    return found


def _device(text: str) -> str:
    if "iPad" in text or ("Android" in text and "Mobile" not in text) or "Tablet" in text:
        return "tablet"
    return "phone" if "Mobi" in text or "iPhone" in text else "computer"


_parsed = Memo(_parse, _KNOWN_MAX)
