"""Declared attributes as ``features:batchGet`` answers them, and what is declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tapstack.core.attributes.declared import Declared
from tapstack.core.attributes.definitions import Definitions, Entity, json_type, served_names
from tapstack.core.attributes.definitions import Feature as DeclaredFeature
from tapstack.core.attributes.states import Kept, View, start_s
from tapstack.core.attributes.stored import ViewState
from tapstack.insights.answers import (
    AttributeFeature,
    AttributeService,
    AttributeView,
    DeclaredAttributes,
    Interval,
)
from tapstack.insights.views import time_text


class Asked(NamedTuple):
    """A declared feature that is asked for."""

    feature: DeclaredFeature
    view: View
    kept: Kept

    @property
    def interval_name(self) -> str:
        """Return what names its window: windows of the same tiles are the same."""
        hop = self.feature.attribute.hop
        return f"{self.feature.window.name}/{hop}" if hop else self.feature.window.name


class Values(NamedTuple):
    """Values of declared features in one row.

    Parameters
    ----------
    values
        In the order of what is asked for.
    since
        By view, where something is missing: since when nothing is.
    missing_max
        By feature, where values had no room: how many may be missing.
    """

    values: list[Any]
    since: dict[str, str]
    missing_max: dict[str, int]


def asked_for(declared: Declared, name: str, entity: Entity) -> Asked | None:
    """Return a declared feature of a kind of entity; None if there is none of this name."""
    feature = declared.definitions.features.get(name)
    if feature is None or feature.view.entity != entity:
        return None
    view = declared.view_of(feature.view)
    return Asked(feature, view, view.attributes[feature.position])


def values_of(features: Iterable[Asked], states: Mapping[str, ViewState], at_s: int) -> Values:
    """Return the values of some features; `at_s` is not before any arrival in the states."""
    found = Values([], {}, {})
    for feature, view, kept in features:
        state = view.own(states, at_s)
        if state is None:  # the row's last writer did not know the view, or its time was over
            found.values.append(feature.attribute.default)
            found.since[view.key] = time_text(at_s + 1)
            continue
        cells = state.attributes[feature.position] if state.attributes else None
        answer = kept.answer(cells, feature.window, state.arrived_s, at_s)
        found.values.append(answer.value)
        if state.since_s:
            found.since[view.key] = time_text(state.since_s)
        if answer.missing_max:
            found.missing_max[feature.name] = answer.missing_max
    return found


def newest_arrival_s(states: Mapping[str, ViewState]) -> int:
    """Return the newest arrival that some states know, 0 for none."""
    return max([state.arrived_s for state in states.values()], default=0)


def intervals(features: Iterable[Asked], at_s: int) -> dict[str, Interval]:
    """Return what each window covers that is not the lifetime."""
    return {
        each.interval_name: Interval(start=time_text(start_s(each.feature.window, at_s)), end=time_text(at_s))
        for each in features
        if each.feature.window.hop_s
    }


def service_features(definitions: Definitions, name: str, entity: Entity) -> Sequence[str] | None:
    """Return the features of a service that are of a kind of entity; None if there is no such service."""
    for service in definitions.feature_service:
        if service.name == name:
            return [each for each in service.features if definitions.features[each].view.entity == entity]
    return None


def declared_view(definitions: Definitions) -> DeclaredAttributes:
    """Return what is declared."""
    return DeclaredAttributes(
        views=[
            AttributeView(
                name=view.name,
                version=view.version,
                entity=view.entity,
                ttl=view.ttl or None,
                owner=view.owner,
                description=view.description,
                features=[
                    AttributeFeature(
                        name=f"{view.key}:{served}",
                        aggregation=view.attribute[position].aggregation,
                        json_type=json_type(view.attribute[position]),
                        window=window.name,
                        tile_s=window.hop_s or None,
                        description=view.attribute[position].description,
                    )
                    for position, window, served in served_names(view)
                ],
            )
            for view in definitions.feature_view
        ],
        services=[
            AttributeService(name=each.name, features=list(each.features), description=each.description)
            for each in definitions.feature_service
        ],
    )
