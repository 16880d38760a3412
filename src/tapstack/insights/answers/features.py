"""Features, and what is declared of them."""

from __future__ import annotations

from typing import Literal

import msgspec


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """What a window covers: everything from `start` on, by the events' own time."""

    start: str
    end: str


class FeatureRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The features of a user, a session, an item or a category.

    Parameters
    ----------
    status
        Of what is not found, all values are null.
    updated_at
        When an item's newest event arrived; of a user the newest event's own time. Null if not found.
    values
        In the order of the table's `features`; null where nothing is known.
    since
        Of declared features, by view and version: whatever arrived then or later is in the values. Only views
        that lack something.
    missing_max
        Of declared features, by name: how many values are missing at most, or by how much each count is too
        low. Only features that kept no more for want of room.
    """

    id: str
    status: Literal["found", "not_found"]
    updated_at: str | None
    values: list[str | int | float | bool | list[str] | dict[str, int] | None]
    since: dict[str, str] = {}
    missing_max: dict[str, int] = {}


class FeatureTable(msgspec.Struct, frozen=True, kw_only=True):
    """Features by name, and a row for each user or item as asked for."""

    features: list[str]
    rows: list[FeatureRow]


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """Features of users, sessions, items and categories.

    Parameters
    ----------
    as_of
        Whatever was counted before is in the features of items and categories; users' are counted at once.
    since
        What was counted before is not in the items' features; null if nothing is missing.
    windows
        What each window among the features covers. One whose file sets a hop is named with it: 24h/2h.
    """

    as_of: str
    since: str | None
    windows: dict[str, Interval]
    users: FeatureTable
    items: FeatureTable
    sessions: FeatureTable
    categories: FeatureTable


class AttributeFeature(msgspec.Struct, frozen=True, kw_only=True):
    """A feature of a declared attribute.

    Parameters
    ----------
    name
        Without the version it means the newest one.
    tile_s
        By how much a window may cover more than its length; null of a lifetime.
    """

    name: str
    aggregation: str
    json_type: str
    window: str
    tile_s: int | None
    description: str


class AttributeView(msgspec.Struct, frozen=True, kw_only=True):
    """A feature view.

    Parameters
    ----------
    ttl
        After so long without an event that counts, what was kept is forgotten; null for never.
    """

    name: str
    version: int
    entity: str
    ttl: str | None
    owner: str
    description: str
    features: list[AttributeFeature]


class AttributeService(msgspec.Struct, frozen=True, kw_only=True):
    """Features that are asked for together."""

    name: str
    features: list[str]
    description: str


class DeclaredAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of attributes declares."""

    views: list[AttributeView]
    services: list[AttributeService]
