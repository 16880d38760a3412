"""What a client is told before it connects: an address, and what its headers say."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_HEADER = r"(?:[!-~](?:[ -~]*[!-~])?)?"  # what every server reads alike; RFC 9110, section 5.5


def check_address(url: str) -> None:
    """Refuse what is not the address of a server, a path behind it or not.

    Raises
    ------
    ValueError
        If it is not, or holds a name and a password, which nothing would send.
    """
    if not _is_address(url):
        shown = re.sub(r"//.*@", "//...@", str(url))  # it may be a password
        raise ValueError(f"url: expected http(s)://host[:port], got {shown!r}")


def check_header(name: str, value: str) -> None:
    """Refuse what no header can carry; raises `ValueError`, without the value: it may be a secret."""
    if re.fullmatch(_HEADER, value) is None:
        raise ValueError(f"{name}: expected printable ASCII, and no spaces or line breaks around it")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_http = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is no number
        return False
    has_more = parts.query or parts.fragment or "@" in parts.netloc
    return is_http and not has_more and re.search(r"\s", url) is None
