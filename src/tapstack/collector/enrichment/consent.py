"""Consent: whether an event says that its user denied analytics, and what is left of it then.

It is read as SDKs send it (read 2026-11-30): Segment's ``context.consent.categoryPreferences`` [1]_,
RudderStack's ``context.consentManagement`` [2]_, Google's consent types [3]_, Snowplow's consent events and
entities [4]_, and ``consent`` of the native format. Nobody is held to have denied what nothing is said of.

References
----------
.. [1] https://www.twilio.com/docs/segment/privacy/consent-management/consent-in-segment-connections
.. [2] https://www.rudderstack.com/docs/data-governance/consent-management/passing-consent/
.. [3] https://support.google.com/analytics/answer/12334711
.. [4] https://docs.snowplow.io/docs/events/ootb-data/consent-events
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from tapstack.collector.enrichment.pseudonyms import pseudonym
from tapstack.core.events import ClientEvent, Item
from tapstack.core.memo import Memo

# OneTrust calls its performance cookies C0002, and Segment's wrapper passes that on.
CATEGORIES = ("analytics", "analytics_storage", "statistics", "measurement", "performance", "c0002")
REFUSED = "consent: analytics is denied; nothing of the event is stored"
ANONYMOUS = "consent: analytics is denied; counted without its user"
VISITOR = "denied-"  # with what the ids of visitors begin that stand for one event

_NO = frozenset({
    "denied", "deny", "false", "no", "0", "off", "withdrawn", "revoked", "rejected", "refused", "opt_out",
    "opted_out",
})  # fmt: skip
_OVER = frozenset({"deny_all", "withdrawn", "expired"})  # of Snowplow's `eventType`
_CONSENTS = frozenset({"consent", "consents", "consentmanagement"})
_is_consent: Memo[str, bool] = Memo(
    lambda name: name.lower().lstrip("$").replace("_", "") in _CONSENTS, 4_096
)
_DENIED_LISTS = frozenset({"deniedconsentids"})


def denies(event: ClientEvent, categories: Collection[str]) -> bool:
    """Return whether an event says that its user denied one of the categories, in small letters."""
    if event.consent and denied_in(event.consent, categories):
        return True
    context, properties = event.context or {}, event.properties or {}
    if event.event_name and _snowplow_denies(event.event_name, properties, categories):
        return True
    for place in (context, properties, properties.get("unread")):
        if isinstance(place, Mapping) and any(
            denied_in(place[name], categories) for name in place if is_consent(name)
        ):
            return True
    entities = context.get("entities")
    return isinstance(entities, list) and any(entity_denies(each, categories) for each in entities)


def is_consent(name: object) -> bool:
    """Return whether a member of this name says what its user consents to."""
    return isinstance(name, str) and _is_consent[name]


def denied_in(consent: object, categories: Collection[str]) -> bool:
    """Return whether the value of a consent denies a category, however deep it stands."""
    if _is_no(consent):
        return True
    return any(_denies(name.lower(), value, categories) for name, value in _members(consent))


def entity_denies(entity: object, categories: Collection[str]) -> bool:
    """Return whether a self-describing object of Snowplow's is a consent that is denied."""
    if not isinstance(entity, Mapping) or not isinstance(data := entity.get("data"), Mapping):
        return False
    schema = entity.get("schema")
    return isinstance(schema, str) and any(
        _snowplow_denies(part, data, categories) for part in schema.split("/")[1:2]
    )


def anonymous(event: ClientEvent, key: bytes) -> ClientEvent:
    """Return what is counted of an event whose user denied: what happened to which items, and when.

    It is an event of a visitor of its own, who is named by a keyed hash of the event's identity: a copy is
    recognised, and no two events of a person can be told to be of one.
    """
    who = [event.user_id, event.anonymous_id, event.event_id, event.client_id, event.n]
    name = pseudonym(msgspec.json.encode(who), key)
    return ClientEvent(
        event_type=event.event_type,
        event_id=name,
        anonymous_id=f"{VISITOR}{name}",
        occurred_at=event.occurred_at,
        items=tuple([_plain(item) for item in event.items]),
        value=event.value,
        currency=event.currency,
        consent={"analytics": False},
    )


def _plain(item: Item) -> Item:
    """Return an item without what tells of the page on which it was seen: lists are made for a person."""
    return msgspec.structs.replace(item, variant=None, position=None, list_id=None)


def _denies(name: str, value: object, categories: Collection[str]) -> bool:
    if name in categories:
        return _is_no(value) or (isinstance(value, Mapping) and any(map(_is_no, value.values())))
    if name in _DENIED_LISTS and isinstance(value, list):
        return any(isinstance(each, str) and each.lower() in categories for each in value)
    return False


def _snowplow_denies(name: str, data: Mapping[str, Any], categories: Collection[str]) -> bool:
    if name == "consent_withdrawn":
        return data.get("all") is not False
    if name != "consent_preferences":
        return False
    kind, scopes = data.get("eventType"), data.get("consentScopes")
    if kind == "allow_selected" and isinstance(scopes, list):
        return not any(isinstance(scope, str) and scope.lower() in categories for scope in scopes)
    return kind in _OVER


def _is_no(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in _NO
    return isinstance(value, bool | int | float) and not value


def _members(value: object) -> Iterator[tuple[str, object]]:
    """Yield the members of objects at every depth."""
    left = [value]
    while left:
        place = left.pop()
        if isinstance(place, Mapping):
            for name, inside in place.items():
                yield str(name), inside
                left.append(inside)
        elif isinstance(place, list):
            left += place
