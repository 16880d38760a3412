"""Names that the state bucket may have, and backend.hcl, which names the place of Terraform's state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tapstack.errors import UsageError

_HEADER = """\
# Where the Terraform state lives; written by `tapstack bootstrap`, ignored by git.
#
#   terraform -chdir=lib init -backend-config=../backend.hcl
#
# provider.tf asks for encryption and for the lock file beside the state.

"""

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, read 2026-11-23;
# no dots, because a name with dots does not match S3's certificate.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Where the state lives.

    Attributes
    ----------
    bucket
        Name of the bucket.
    key
        Key of the state's object.
    region
        Region of the bucket.
    kms_key_id
        ARN of the key that encrypts the state; empty for Amazon S3's own.
    """

    bucket: str
    key: str
    region: str
    kms_key_id: str = ""

    def values(self) -> Mapping[str, str]:
        """Return the lines of backend.hcl."""
        values = {"bucket": self.bucket, "key": self.key, "region": self.region}
        return {**values, "kms_key_id": self.kms_key_id} if self.kms_key_id else values


def check(backend: Backend) -> None:
    """Refuse what AWS or Terraform would refuse later.

    Parameters
    ----------
    backend
        Where the state is to live.

    Raises
    ------
    UsageError
        Naming the option.
    """
    name = backend.bucket
    if not _NAME.fullmatch(name) or name.startswith(_RESERVED_PREFIXES) or name.endswith(_RESERVED_SUFFIXES):
        raise UsageError(
            f"{name!r} cannot be a bucket's name: 3 to 63 lower-case letters, digits and hyphens, "
            "with a letter or digit at both ends and no prefix or suffix that AWS reserves"
        )
    if not _REGION.fullmatch(backend.region):
        raise UsageError(f"--region must look like us-east-1, got {backend.region!r}")
    if not re.fullmatch(r"[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*", backend.key):
        raise UsageError(f"--key must look like tapstack/dev/terraform.tfstate, got {backend.key!r}")
    key = backend.kms_key_id
    if key and not re.fullmatch(rf"arn:aws[a-z-]*:kms:{backend.region}:[0-9]{{12}}:key/[A-Za-z0-9-]+", key):
        raise UsageError(f"--kms-key-id must be the ARN of a key in {backend.region}, got {key!r}")


def render(backend: Backend) -> str:
    """Write backend.hcl.

    Parameters
    ----------
    backend
        Where the state lives; already checked, so that nothing needs escaping.

    Returns
    -------
    str
        The file.
    """
    values = backend.values()
    width = max(len(name) for name in values)
    return _HEADER + "".join(f'{name:<{width}} = "{value}"\n' for name, value in values.items())


def says_so(path: Path, backend: Backend) -> bool:
    """Return whether a file already names the state's place.

    Parameters
    ----------
    path
        The file.
    backend
        Where the state lives.

    Returns
    -------
    bool
        False if there is no file.

    Raises
    ------
    UsageError
        If the file names another place: the state there must not be lost from sight.
    """
    if not path.exists():
        return False
    found = dict(re.findall(r'^\s*(\w+)\s*=\s*"([^"]*)"', path.read_text(), re.MULTILINE))
    for name in ("bucket", "key", "region", "kms_key_id"):
        value = backend.values().get(name, "")
        if found.get(name, "") != value:
            raise UsageError(
                f"{path} already says {name} = {found.get(name, '')!r}, not {value!r}; "
                "give the same options, or another file with --output"
            )
    return True
