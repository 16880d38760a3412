"""Who may read what: readers have scopes, and keys whose hashes alone are known here.

A key has 192 random bits, so a fast hash protects it as well as a slow one would, and a list of hashes is no
secret: it is a setting of the function.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated, Literal

import msgspec

from tapstack.http import Request, RequestError

KEYS_MAX = 2  # of a reader: the one in use, and the one that takes its place
Scope = Literal["users", "items", "operations"]

ReaderId = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
KeyHash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Reader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reader.

    Parameters
    ----------
    key_hashes
        SHA-256 of each live key, hexadecimal; none if it is revoked.
    scopes
        What it may read.
    """

    key_hashes: Annotated[list[KeyHash], msgspec.Meta(max_length=KEYS_MAX)]
    scopes: list[Scope]


class Unauthorized(RequestError):  # noqa: N818 - named as HTTP names it
    """The request has no key of a reader."""

    status = 401
    code = "unauthorized"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.headers = {"www-authenticate": 'Bearer realm="tapstack"'}


class Forbidden(RequestError):  # noqa: N818 - likewise
    """The reader lacks a scope."""

    status = 403
    code = "forbidden"


class Readers:
    """The readers of a stack.

    Parameters
    ----------
    readers
        By id.
    """

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self._readers = readers

    def scopes_of(self, request: Request) -> frozenset[str]:
        """Return what the reader who sent a request may read.

        Raises
        ------
        Unauthorized
            If its key is missing or not known.
        """
        key = presented_key(request)
        if key is None:
            raise Unauthorized("expected a key: Authorization: Bearer, Basic (as the user), or X-API-Key")
        presented, found = sha256(key.encode(errors="surrogatepass")).hexdigest(), None
        for reader in self._readers.values():
            for live in reader.key_hashes:  # each of them, and each in constant time
                if compare_digest(live, presented):
                    found = reader
        if found is None:
            raise Unauthorized("the key is not known; it may have been replaced")
        return frozenset(found.scopes)


def read_readers(text: str) -> Readers:
    """Read a JSON object of readers by id; raises ValueError that says what is wrong with it."""
    try:
        readers = msgspec.json.decode(text, type=dict[ReaderId, Reader])
    except msgspec.DecodeError as error:  # a validation error among them; neither shows a value
        raise ValueError(str(error)) from None
    hashes = [live for reader in readers.values() for live in reader.key_hashes]
    if len(set(hashes)) < len(hashes):
        raise ValueError("a key hash stands there twice")
    return Readers(readers)


def presented_key(request: Request) -> str | None:
    """Return the key of a request: a Bearer's token, the user of Basic, or X-API-Key.

    Other schemes, such as AWS's signature, say no key. Clients of Feast and Signals send Bearer; those of
    Feast, Metarank and PyGorse send Basic, from the user part of a URL; those of Gorse send X-API-Key.
    """
    scheme, _, value = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    if scheme.lower() == "basic":
        try:
            user = base64.b64decode(value.strip(), validate=True).decode().partition(":")[0]
        except ValueError:
            user = ""
        if user:
            return user
    return request.headers.get("x-api-key", "").strip() or None


def check_scopes(needed: frozenset[str], held: frozenset[str]) -> None:
    """Refuse a reader that lacks a scope; raises `Forbidden`, naming all that it lacks."""
    if lacking := sorted(needed - held):
        raise Forbidden(f"the key lacks the scope {' and '.join(lacking)}")
