"""Kinds of parameters of a query: what each expects, how it is read, and its JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

import msgspec

from tapstack.core.currencies import CURRENCIES

NUMBER_MAX = 10**12  # as amounts of events have it


class Integer(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter that is an integer, ``low..high``; `default` is what leaving it out stands for."""

    name: str
    low: int
    high: int
    default: str

    @property
    def into(self) -> str:
        """Return which member of `tapstack.insights.route.Asked` takes the value."""
        return self.name

    @property
    def expected(self) -> str:
        """Return what it must be, in words."""
        return f"an integer from {self.low} to {self.high}"

    @property
    def schema(self) -> dict[str, Any]:
        """Return what it must be, as a JSON Schema."""
        bounds = {"minimum": self.low, "maximum": self.high}
        return {"type": "integer", **bounds, "default": int(self.default)}

    def read(self, text: str) -> int | None:
        """Return the value; None if `text` is not one."""
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            return None
        return int(text) if self.low <= int(text) <= self.high else None


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter that is a number of at most `NUMBER_MAX`.

    Parameters
    ----------
    unset
        What leaving it out stands for.
    needs
        The parameter without which it says nothing; empty if there is none.
    at_least
        The parameter, named before it, that it may not be below; empty if there is none.
    """

    name: str
    unset: float
    needs: str = ""
    at_least: str = ""
    default: str = ""

    @property
    def into(self) -> str:
        """Return which member of `tapstack.insights.route.Asked` takes the value."""
        return self.name

    @property
    def expected(self) -> str:
        """Return what it must be, in words."""
        return f"a number from -{NUMBER_MAX} to {NUMBER_MAX}"

    @property
    def schema(self) -> dict[str, Any]:
        """Return what it must be, as a JSON Schema."""
        return {"type": "number", "minimum": -NUMBER_MAX, "maximum": NUMBER_MAX}

    def read(self, text: str) -> float | None:
        """Return the value; None if `text` is not one."""
        if not text:
            return self.unset
        try:
            value = float(text) if text.isascii() and text.isprintable() and "_" not in text else inf
        except ValueError:
            return None
        return value if -NUMBER_MAX <= value <= NUMBER_MAX else None


class Currency(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter that is the code of a currency; left out it is the empty text."""

    name: str = "currency"
    default: str = ""

    @property
    def into(self) -> str:
        """Return which member of `tapstack.insights.route.Asked` takes the value."""
        return self.name

    @property
    def expected(self) -> str:
        """Return what it must be, in words."""
        return "an ISO 4217 code such as EUR"

    @property
    def schema(self) -> dict[str, Any]:
        """Return what it must be, as a JSON Schema."""
        return {"type": "string", "enum": sorted(CURRENCIES)}

    def read(self, text: str) -> str | None:
        """Return the code; None if `text` is not one."""
        return text if not text or text in CURRENCIES else None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter that is one of several words, each for a value of the member `into` of `Asked`."""

    name: str
    into: str
    values: Mapping[str, object]
    default: str

    @property
    def expected(self) -> str:
        """Return what it must be, in words."""
        return f"one of {', '.join(self.values)}"

    @property
    def schema(self) -> dict[str, Any]:
        """Return what it must be, as a JSON Schema."""
        return {"type": "string", "enum": list(self.values), "default": self.default}

    def read(self, text: str) -> object | None:
        """Return the value; None if `text` is not one."""
        return self.values.get(text)


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter whose meaning is only known to who reads it further; `default` is the empty text."""

    name: str
    chars_max: int
    default: str = ""

    @property
    def into(self) -> str:
        """Return which member of `tapstack.insights.route.Asked` takes the value."""
        return self.name

    @property
    def expected(self) -> str:
        """Return what it must be, in words."""
        return f"at most {self.chars_max} characters"

    @property
    def schema(self) -> dict[str, Any]:
        """Return what it must be, as a JSON Schema."""
        return {"type": "string", "maxLength": self.chars_max, "default": self.default}

    def read(self, text: str) -> str | None:
        """Return the text; None if it is too long."""
        return text if len(text) <= self.chars_max else None


Parameter = Integer | Number | Currency | Choice | Text
