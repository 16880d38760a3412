"""How a patch of moto is written down: what it replaces and why."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One method of moto that is replaced.

    Attributes
    ----------
    target
        Class and method, as in ``KinesisResponse.create_stream``.
    why
        What moto 5.2.5 does otherwise, and what AWS does.
    """

    target: str
    why: str


APPLIED: list[Patch] = []


def _like(before: object, function: Callable[..., Any]) -> Any:
    if isinstance(before, classmethod | staticmethod):
        return type(before)(function)
    return function


def replaces(owner: type, name: str, *, why: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put a function in the place of a method, which it gets as its first argument.

    Parameters
    ----------
    owner
        The class of moto.
    name
        The method, which must exist.
    why
        The reason, a sentence.

    Returns
    -------
    Callable
        A decorator; importing the module that uses it applies the patch.

    Raises
    ------
    AttributeError
        If moto no longer has the method: the patch has to be looked at again.
    """
    original = getattr(owner, name)

    def install(function: Callable[..., Any]) -> Callable[..., Any]:
        # Of a class method, `original` is bound already; the replacement still gets the class first.
        @functools.wraps(original)
        def method(*args: Any, **kwargs: Any) -> Any:
            return function(original, *args, **kwargs)

        setattr(owner, name, _like(inspect.getattr_static(owner, name), method))
        APPLIED.append(Patch(target=f"{owner.__name__}.{name}", why=why))
        return function

    return install


def adds(owner: type, name: str, *, why: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a class of moto a method that it lacks.

    Raises
    ------
    AttributeError
        If moto has the method by now: the patch can go.
    """
    if name in vars(owner):
        raise AttributeError(f"moto has {owner.__name__}.{name} by now; remove the patch")

    def install(function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(owner, name, _like(inspect.getattr_static(owner, name, None), function))
        APPLIED.append(Patch(target=f"{owner.__name__}.{name}", why=why))
        return function

    return install
