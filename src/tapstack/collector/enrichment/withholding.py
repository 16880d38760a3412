"""What is refused is kept as its sender wrote it, unless it says, or may say, that its user denied consent.

A refused event may be no event at all, so its text is asked: what can be read as JSON is looked through,
with what trackers pack into it; of what cannot, a word that speaks of consent is enough.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl, unquote_plus

from tapstack.collector.enrichment.consent import denied_in, entity_denies, is_consent
from tapstack.collector.translation.reading import from_base64, read_json
from tapstack.errors import InvalidEvent

_PACKED = frozenset({"cx", "ue_px", "data"})  # members that hold JSON in base64
_SPEAKS_OF_CONSENT = r"(?i)consent|analytics_storage|\bcx\b|ue_px|\\u00"
_GZIP_MAGIC = b"\x1f\x8b"
_PIECES_MAX = 100_000  # of one text: what is longer than a request can be is not looked through


def may_deny(payload: bytes, categories: Collection[str]) -> bool:
    """Return whether a text denies one of the categories, or cannot be known not to.

    Parameters
    ----------
    payload
        An event, or a request, as its sender wrote it: JSON or what should be, a query, or a form.
    categories
        What analytics is called in consents, in small letters.
    """
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return True  # compressed, or of another encoding
    value = _json(text)
    if value is None and re.match(r"[A-Za-z0-9_.%+\[\]-]+=", text):
        value = [{name: said} for name, said in parse_qsl(text, keep_blank_values=True)]  # any may come twice
    if value is None:
        return re.search(_SPEAKS_OF_CONSENT, unquote_plus(text)) is not None
    return _finds_denial(value, categories)


def _finds_denial(value: object, categories: Collection[str]) -> bool:
    left = [value]
    for _ in range(_PIECES_MAX):
        if not left:
            return False
        place = left.pop()
        if isinstance(place, list):
            left += place
        elif isinstance(place, Mapping):
            if entity_denies(place, categories):
                return True
            for name, inside in place.items():
                found = _opened(name, inside)
                if is_consent(name) and denied_in(found, categories):
                    return True
                if isinstance(found, Mapping | list):
                    left.append(found)
                elif isinstance(found, str) and _may_hide_consent(name, found):
                    return True
    return True


def _may_hide_consent(name: object, text: str) -> bool:
    """Return whether a string that should be JSON, perhaps in base64, and is not, speaks of consent."""
    if text.lstrip()[:1] not in {"{", "["}:
        if name not in _PACKED:
            return False
        packed = re.sub(r"(?s)[^A-Za-z0-9+/_-].*", "", text.strip().replace(" ", "+"))
        unpacked = from_base64(packed[: len(packed) // 4 * 4])  # as far as it can be read
        if unpacked.startswith(_GZIP_MAGIC):
            return True
        text = unpacked.decode(errors="replace")
    return re.search(_SPEAKS_OF_CONSENT, text) is not None


def _opened(name: object, value: object) -> object:
    """Return what a string holds that is JSON, perhaps in base64; any other value as it is."""
    if not isinstance(value, str):
        return value
    if value.lstrip()[:1] in {"{", "["}:
        found = _json(value)
        return value if found is None else found
    if name not in _PACKED:
        return value
    try:
        found = _json(from_base64(value.strip()).decode(errors="replace"))
    except InvalidEvent:
        return value
    return value if found is None else found


def _json(text: str) -> object:
    """Return what a text says in JSON; None if it is none, or says nothing."""
    for kind in (dict[str, object], list[object]):
        try:
            return read_json(text.encode(errors="replace"), kind)
        except InvalidEvent:
            continue
    return None
