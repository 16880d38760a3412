"""IP addresses are cut to their networks: the first 24 bits of IPv4, the first 48 of IPv6."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tapstack.collector.enrichment.nested import replaced_by_name
from tapstack.core.events import ClientEvent
from tapstack.core.memo import Memo

V4_BITS, V6_BITS = 24, 48
# Names of members that hold addresses, in small letters and without signs: $ip, ipAddress, X-Forwarded-For.
_NAMES = frozenset({
    "ip", "ips", "ipaddress", "ipv4", "ipv6", "clientip", "remoteip", "userip", "useripaddress", "remoteaddr",
    "xforwardedfor", "xrealip",
})  # fmt: skip
_PLACES = ("context", "properties", "traits")


def cut_addresses(event: ClientEvent) -> ClientEvent:
    """Return the event with networks in place of addresses.

    What stands under the name of an address and is none cannot be cut, and is left out.
    """
    changes = {}
    for name in _PLACES:
        place = getattr(event, name)
        if place is not None:
            cut = cut_in(place)
            if cut is not place:
                changes[name] = cut
    return msgspec.structs.replace(event, **changes) if changes else event


def cut_in(value: Any) -> Any:
    """Return a value of JSON with networks in place of addresses, at any depth."""
    return replaced_by_name(value, _is_address.__getitem__, _cut)


def network(text: str) -> str | None:
    """Return the network of an address, ``203.0.113.0``; None if the text is none."""
    from ipaddress import ip_address, ip_network  # 4 ms that nobody else needs

    try:
        address = ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    if address.version == 6 and (mapped := address.ipv4_mapped) is not None:
        address = mapped
    bits = V4_BITS if address.version == 4 else V6_BITS
    return str(ip_network((address, bits), strict=False).network_address)


_network_of = Memo(network, 4_096)
_is_address: Memo[str, bool] = Memo(lambda name: re.sub(r"[^a-z0-9]", "", name.lower()) in _NAMES, 4_096)


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        parts = [_network_of[part[:64]] for part in value.split(",")]  # as proxies write several
        return ", ".join([part for part in parts if part]) or None
    if isinstance(value, list):
        return [part for part in map(_cut, value) if part]
    return None
