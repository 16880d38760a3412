"""The states of feature views as rows hold them; `states` knows what is in them."""

from __future__ import annotations

from typing import Any

import msgspec


class ViewState(msgspec.Struct, gc=False, array_like=True):
    """What a row keeps of a view.

    Parameters
    ----------
    fingerprint
        Of the view's definition.
    since_s
        Whatever arrived then or later is in it, Unix seconds; 0 if nothing is missing.
    arrived_s
        The newest arrival among the events that counted, Unix seconds; 0 before there is one.
    attributes
        Of each attribute: its cell, or if it is tiled a list of the lifetime's cell and, for each length of
        tiles, of cells by age, None where nothing counted; None before anything counted.
    """

    fingerprint: int
    since_s: int
    arrived_s: int = 0
    attributes: list[Any] = []


ViewStates = dict[str, ViewState]  # by name and version
