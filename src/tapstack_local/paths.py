"""Ids in paths of the API."""

from __future__ import annotations

from urllib.parse import quote


def path_segment(text: str) -> str:
    """Return an id as one segment of a path.

    ``.`` and ``..`` are escaped: as they stand, every client takes them for a folder and its parent.
    """
    return text.replace(".", "%2E") if text in {".", ".."} else quote(text, safe="")
