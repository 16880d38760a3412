"""How mypy sees what mutmut puts around each function: as that function, a TypeGuard among them."""

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
MutantDict = dict[str, Callable[..., Any]]

def wrap_in_trampoline(mutants_dict: MutantDict, is_classmethod: bool = False) -> Callable[[F], F]: ...
