"""The declared attributes that ``tapstack package`` put beside a function's code."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.attributes.definitions import decode_definitions
from tapstack.errors import Misconfigured

VARIABLE = "TAPSTACK_ATTRIBUTES"


def read_declared(path: str) -> Declared:
    """Read the definitions.

    A missing file must not pass for one that declares nothing: the consumer would drop what rows keep.

    Parameters
    ----------
    path
        The file, from the folder of the function's code if it is not absolute; empty for none.

    Raises
    ------
    Misconfigured
        If there is no such file, or it is not what ``tapstack package`` writes.
    """
    if not path:
        return NOTHING_DECLARED
    folder = os.environ.get("LAMBDA_TASK_ROOT", "")
    try:
        return Declared(decode_definitions(Path(folder, path).read_bytes()))
    except OSError as error:
        raise Misconfigured(VARIABLE, f"expected a file, got {path!r}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise Misconfigured(VARIABLE, f"expected a file that tapstack package wrote: {error}") from None
