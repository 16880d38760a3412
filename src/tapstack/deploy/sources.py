"""The document of sources, changed by a person: in Secrets Manager, or in a file of the embedded mode."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tapstack.core.sources import (
    KEYS_MAX,
    SOURCES_MAX,
    Key,
    Source,
    Sources,
    hash_of,
    read_sources,
    write_sources,
)
from tapstack.errors import Unavailable, UsageError

KEY_PREFIX = "tapstack_"  # so that a scanner for leaked secrets finds a key
KEY_BYTES = 24


class Document(Protocol):
    """Where the document is."""

    @property
    def setting(self) -> str:
        """Return the value of ``TAPSTACK_SOURCES`` that leads the collector there."""
        ...

    def read(self) -> Sources:
        """Return the sources; none if nobody wrote the document yet."""
        ...

    def write(self, sources: Sources) -> None:
        """Replace the document."""
        ...


@dataclass(frozen=True, slots=True)
class FileDocument:
    """The document in a file.

    Attributes
    ----------
    path
        The file; made, and readable by its owner alone, if it is not there.
    """

    path: Path

    @property
    def setting(self) -> str:
        """Return the value of ``TAPSTACK_SOURCES`` that leads the collector there."""
        return f"file:{self.path.resolve()}"

    def read(self) -> Sources:
        """Return the sources; none if nobody wrote the document yet; raises `UsageError`."""
        return _read(str(self.path), self.path.read_bytes()) if self.path.exists() else Sources()

    def write(self, sources: Sources) -> None:
        """Replace the document at once: a collector never reads half of it."""
        descriptor, name = tempfile.mkstemp(dir=self.path.resolve().parent, prefix=self.path.name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(write_sources(sources))
        Path(name).replace(self.path)


class SecretDocument:
    """The document in Secrets Manager.

    Parameters
    ----------
    secret_id
        The secret's name or ARN; Terraform made it.
    region
        Its region.
    endpoint_url
        Address of Secrets Manager, if not AWS's own.

    Raises
    ------
    UsageError
        If region, address, profile or AWS's configuration is not right.
    """

    def __init__(self, secret_id: str, region: str, endpoint_url: str | None = None) -> None:
        import boto3

        self.setting = secret_id
        self._client: Any = _translated(
            secret_id, lambda: boto3.client("secretsmanager", region_name=region, endpoint_url=endpoint_url)
        )

    def read(self) -> Sources:
        """Return the sources; none if nobody wrote the document yet.

        Raises
        ------
        UsageError
            If there is no such secret, or no permission to read it.
        Unavailable
            If Secrets Manager did not answer.
        """
        sources: Sources = _translated(self.setting, self._read)
        return sources

    def write(self, sources: Sources) -> None:
        """Replace the document; raises as `read` does."""
        text = write_sources(sources).decode()
        _translated(
            self.setting, lambda: self._client.put_secret_value(SecretId=self.setting, SecretString=text)
        )

    def _read(self) -> Sources:
        from botocore.exceptions import ClientError

        self._client.describe_secret(SecretId=self.setting)  # fails only if there is no secret at all
        try:
            answer = self._client.get_secret_value(SecretId=self.setting)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return Sources()
        return _read(self.setting, answer["SecretString"].encode())


def _read(place: str, document: bytes) -> Sources:
    """Read the document; raises `UsageError`: to a person it is a mistake, not a failure."""
    try:
        return read_sources(document)
    except Unavailable as error:
        raise UsageError(f"{place}: expected what 'tapstack sources' writes; {error}") from None


def _translated(secret_id: str, do: Callable[[], Any]) -> Any:
    from botocore import exceptions
    from botocore.exceptions import BotoCoreError, ClientError

    unusable = (
        exceptions.ConfigParseError, exceptions.CredentialRetrievalError, exceptions.PartialCredentialsError,
        exceptions.ProfileNotFound, exceptions.SSOError, exceptions.TokenRetrievalError,
    )  # fmt: skip
    try:
        return do()
    except exceptions.NoCredentialsError:
        raise UsageError("no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret") from None
    except unusable as error:
        raise UsageError(f"no usable AWS credentials: {error}") from None
    except ValueError as error:  # botocore's word on an address or a region that is none
        raise UsageError(f"secretsmanager: {error}") from None
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ResourceNotFoundException":
            message = f"there is no secret {secret_id}: apply Terraform with require_write_keys = true first"
            raise UsageError(message) from None
        if code in {"AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"}:
            raise UsageError(f"secretsmanager: {code} for {secret_id}") from None
        raise Unavailable(f"secretsmanager: {code}") from None
    except BotoCoreError as error:
        raise Unavailable(f"secretsmanager: {error}") from None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was made.

    Attributes
    ----------
    sources
        The document with its hash.
    key
        The key itself, which is kept nowhere; None for a source that sends none.
    """

    sources: Sources
    key: str | None


def add(sources: Sources, source: Source, now: datetime) -> NewKey:
    """Add a source, with a key unless it sends none; raises `UsageError`."""
    if any(each.id == source.id for each in sources.sources):
        raise UsageError(f"there is a source {source.id}; see 'tapstack sources rotate' for a new key of it")
    if len(sources.sources) == SOURCES_MAX:
        raise UsageError(f"expected at most {SOURCES_MAX} sources")
    key = None
    if source.sends_no_key:
        _check_keyless(sources, source)
    else:
        key = _key()
        source = _with_keys(source, (*source.keys, _live(key, now)))
    return NewKey(msgspec.structs.replace(sources, sources=(*sources.sources, source)), key)


def rotate(sources: Sources, source_id: str, now: datetime) -> NewKey:
    """Add a second key to a source: both are live until the old one is revoked; raises `UsageError`."""
    source = _find(sources, source_id)
    if source.sends_no_key:
        raise UsageError(f"the source {source_id} sends no key")
    if len(source.keys) == KEYS_MAX:
        raise UsageError(
            f"{source_id} has {KEYS_MAX} live keys; end the older: tapstack sources revoke {source_id} --old"
        )
    key = _key()
    return NewKey(_replaced(sources, _with_keys(source, (*source.keys, _live(key, now)))), key)


def revoke(sources: Sources, source_id: str, *, is_old_only: bool) -> Sources:
    """End the older key of a source, or let it send nothing more; raises `UsageError`."""
    source = _find(sources, source_id)
    if is_old_only and len(source.keys) < KEYS_MAX:
        raise UsageError(f"{source_id} has no older key; 'tapstack sources rotate' makes a new one first")
    changed = _with_keys(source, source.keys[-1:] if is_old_only else ())
    return _replaced(sources, msgspec.structs.replace(changed, sends_no_key=False))


def _check_keyless(sources: Sources, source: Source) -> None:
    if not source.formats:
        raise UsageError("a source that sends no key needs --format: it stands for requests of that format")
    for name in source.formats:
        if (other := sources.without_key(name)) is not None:
            raise UsageError(f"requests in the format {name} without a key belong to {other.id} already")


def _find(sources: Sources, source_id: str) -> Source:
    found = next((source for source in sources.sources if source.id == source_id), None)
    if found is None:
        names = ", ".join(source.id for source in sources.sources) or "none yet"
        raise UsageError(f"there is no source {source_id}; there are: {names}")
    return found


def _replaced(sources: Sources, changed: Source) -> Sources:
    kept = tuple(changed if source.id == changed.id else source for source in sources.sources)
    return msgspec.structs.replace(sources, sources=kept)


def _with_keys(source: Source, keys: tuple[Key, ...]) -> Source:
    return msgspec.structs.replace(source, keys=keys)


def _live(key: str, now: datetime) -> Key:
    return Key(hash=hash_of(key), created_at=now.replace(microsecond=0))


def _key() -> str:
    return KEY_PREFIX + secrets.token_hex(KEY_BYTES)
