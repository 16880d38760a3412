"""Where a visitor came from: the campaign that the page's address names, and the page before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

UTM = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "name",
    "utm_term": "term",
    "utm_content": "content",
    "utm_id": "id",
}
# Which network an address with this parameter came from; of several the first counts.
CLICK_IDS = {
    "gclid": "google",
    "gbraid": "google",
    "wbraid": "google",
    "dclid": "google",
    "msclkid": "microsoft",
    "fbclid": "meta",
    "ttclid": "tiktok",
    "twclid": "x",
    "li_fat_id": "linkedin",
    "yclid": "yandex",
}
TEXT_CHARS_MAX = 256
ADDRESS_CHARS_MAX = 4_096
PARAMETERS_MAX = 200
_HOST = r"[a-zA-Z][a-zA-Z0-9+.-]*+://(?:[^/?#@]*+@)?([^\s/?#:@\[\]]++)"
SEARCH = ("google", "bing", "duckduckgo", "yahoo", "baidu", "yandex", "ecosia", "qwant", "startpage")
SOCIAL = (
    "facebook", "instagram", "twitter", "x", "t", "linkedin", "lnkd", "pinterest", "reddit", "tiktok",
    "youtube", "whatsapp", "threads", "mastodon",
)  # fmt: skip


def campaign_of(context: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return the campaign in the address of an event's page; None if it names none."""
    page = context.get("page")
    if not isinstance(page, Mapping):
        return None
    for text in (page.get("url"), page.get("search")):
        if isinstance(text, str) and "=" in text and (found := _campaign(text[:ADDRESS_CHARS_MAX])):
            return found
    return None


def referrer_of(context: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return the host of the page before, and what kind of page it was; None if the event says none."""
    page = context.get("page")
    if not isinstance(page, Mapping):
        return None
    host = _host(page.get("referrer"))
    if host is None:
        return None
    return {"host": host, "kind": _kind(host, _host(page.get("url")))}


def _campaign(text: str) -> Mapping[str, str]:
    query = text.partition("#")[0].rpartition("?")[2]
    if "utm_" not in query and "id=" not in query:
        return {}
    found: dict[str, str] = {}
    for part in query.split("&", PARAMETERS_MAX):
        name, _, value = part.partition("=")
        if not value:
            continue
        if name in UTM:
            found.setdefault(UTM[name], _read(value))
        elif name in CLICK_IDS and "click_id" not in found:
            found["click_id"], found["click_network"] = _read(value), CLICK_IDS[name]
    return found


def _read(value: str) -> str:
    return unquote_plus(value[: 3 * TEXT_CHARS_MAX])[:TEXT_CHARS_MAX]


def _host(address: object) -> str | None:
    if not isinstance(address, str):
        return None
    found = re.match(_HOST, address[:ADDRESS_CHARS_MAX])
    return found[1].lower()[:TEXT_CHARS_MAX] if found else None


def _kind(host: str, own: str | None) -> str:
    if own is not None and _site(host) == _site(own):
        return "internal"
    names = host.split(".")[:-1]
    if any(name in SEARCH for name in names):
        return "search"
    # "t.co" and "x.com" are names of one letter: only as the whole of a site's name.
    return "social" if any(name in SOCIAL for name in names[-1:]) else "other"


def _site(host: str) -> str:
    return host.removeprefix("www.")
