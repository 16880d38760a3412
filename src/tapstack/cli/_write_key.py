"""Write keys, as options of commands."""

from __future__ import annotations

from typing import Any

import click

from tapstack.addresses import check_header


class WriteKey(click.ParamType[str]):
    """A key that a header can carry; messages do not repeat it."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it."""
        try:
            check_header("", str(value))
        except ValueError as error:
            self.fail(str(error).removeprefix(": "), param, ctx)
        return str(value)
