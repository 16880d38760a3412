"""What ``tapstack local --enrichment FILE`` reads: Terraform's variable ``enrichment``, in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from tapstack.entrypoints.enrichment import enrichment_settings
from tapstack.errors import Misconfigured, UsageError

OF_USERS = frozenset({"user_id", "anonymous_id"})


class _File(msgspec.Struct, forbid_unknown_fields=True):
    steps: list[str] = []
    consent: str = "off"
    consent_categories: list[str] = []
    pseudonymised_fields: list[str] = []
    pseudonym_key_file: str = ""


def read_enrichment(path: Path) -> Mapping[str, str]:
    """Return the collector's variables; raises `UsageError` if the file is not in order."""
    try:
        said = msgspec.json.decode(path.read_bytes(), type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"--enrichment: {path}: {error}") from None
    if OF_USERS & set(said.pseudonymised_fields):
        raise UsageError(
            f"--enrichment: {path}: the check at the end asks for users by the names that were sent, "
            "so user_id and anonymous_id cannot be hashed here"
        )
    key = path.parent / said.pseudonym_key_file
    if said.pseudonym_key_file and not key.is_file():
        raise UsageError(f"--enrichment: {path}: pseudonym_key_file: there is no file {key}")
    variables = {
        "TAPSTACK_ENRICHMENT": ",".join(said.steps),
        "TAPSTACK_CONSENT": said.consent,
        "TAPSTACK_CONSENT_CATEGORIES": ",".join(said.consent_categories),
        "TAPSTACK_PSEUDONYMISED_FIELDS": ",".join(said.pseudonymised_fields),
        "TAPSTACK_PSEUDONYM_KEY": f"file:{key.resolve()}" if said.pseudonym_key_file else "",
    }
    try:
        enrichment_settings(variables)
    except Misconfigured as error:
        name = _NAMES[error.variable]
        raise UsageError(f"--enrichment: {path}: {name}: {str(error).partition(': ')[2]}") from None
    return variables


def changed_by(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return how fields begin that a collector with these variables may change, none without any."""
    if not variables:
        return ()
    fields = variables["TAPSTACK_PSEUDONYMISED_FIELDS"].split(",")
    return ("context.", "properties.", "traits.", *({"session_id"} & {*fields}))


def keeps_refused_as_sent(variables: Mapping[str, str]) -> bool:
    """Return whether a collector with these variables keeps refused events as they were sent."""
    if not variables:
        return True
    steps = variables["TAPSTACK_ENRICHMENT"].split(",")
    return not variables["TAPSTACK_PSEUDONYMISED_FIELDS"] and "ip" not in steps


_NAMES = {
    "TAPSTACK_ENRICHMENT": "steps",
    "TAPSTACK_CONSENT": "consent",
    "TAPSTACK_PSEUDONYMISED_FIELDS": "pseudonymised_fields",
    "TAPSTACK_PSEUDONYM_KEY": "pseudonym_key_file",
}
