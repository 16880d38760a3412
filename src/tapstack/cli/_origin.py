"""Origins of web pages, as options of commands."""

from __future__ import annotations

import re
from typing import Any

import click

_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?/?")
_USUAL_PORTS = {"http": "80", "https": "443"}


class Origin(click.ParamType[str]):
    """The origin of a web page, as a browser writes it."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it."""
        found = _ORIGIN.fullmatch(str(value).lower())
        if found is None:
            self.fail(f"expected an origin such as http://localhost:3000, got {value!r}", param, ctx)
        scheme, host, port = found.groups()
        return f"{scheme}://{host}{'' if port in {None, _USUAL_PORTS[scheme]} else f':{port}'}"
