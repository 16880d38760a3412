"""Declared attributes of items and categories, put together from the rows of all stripes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tapstack.core.attributes.catalogue import Held
from tapstack.core.attributes.states import View
from tapstack.core.attributes.stored import ViewState, ViewStates
from tapstack.core.journal import definition_projection
from tapstack.core.rows import ATTRIBUTE_ROWS, attributes_partition, stripe_sort_key
from tapstack.insights.declared import Asked
from tapstack.insights.freshness import Freshness
from tapstack.insights.views import alive
from tapstack.ports import Key, RowReader


def projections_of(features: Iterable[Asked]) -> list[str]:
    """Return the projections that some features are read from."""
    return list(dict.fromkeys(definition_projection(each.feature.view.definition) for each in features))


def read_states(
    reader: RowReader,
    features: Iterable[Asked],
    ids: Sequence[str],
    stripes: Iterable[int],
    fresh: Mapping[str, Freshness],
    now_s: int,
) -> dict[str, ViewStates]:
    """Return the states of the views that some features are of, by id.

    Parameters
    ----------
    reader
        The table.
    features
        Of items, or of categories.
    ids
        Of these.
    stripes
        All that there are.
    fresh
        How fresh each projection is, asked before.
    now_s
        Unix seconds.
    """
    views = {each.feature.view.key: each for each in features}
    sort_keys = [stripe_sort_key(stripe) for stripe in sorted(stripes)]
    partitions = {
        (id_, key): attributes_partition(asked.feature.view, id_)
        for id_ in ids
        for key, asked in views.items()
    }
    keys = [Key(pk, sk) for pk in dict.fromkeys(partitions.values()) for sk in sort_keys]
    rows = alive(reader.read_all(keys, consistent=True).values(), now_s) if keys else []
    states = {row.key: row.state for row in rows}
    found: dict[str, ViewStates] = {id_: {} for id_ in ids}
    for (id_, key), pk in partitions.items():
        view = views[key].view
        held = [
            ATTRIBUTE_ROWS.body(state) for sk in sort_keys if (state := states.get(Key(pk, sk))) is not None
        ]
        since_s = fresh[definition_projection(views[key].feature.view.definition)].since_s
        found[id_][key] = _together(view, held, id_, since_s)
    return found


def _together(view: View, held: Sequence[Held], id_: str, since_s: int) -> ViewState:
    whole = view.merged([each.state_of(id_, view.fingerprint) for each in held])
    whole.since_s = max(whole.since_s, since_s)
    return whole
