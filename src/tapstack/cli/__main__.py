"""``python -m tapstack.cli``, and the script ``tapstack``."""

from __future__ import annotations

import sys

EXTRAS = frozenset(
    {
        "aiohttp",
        "awslambdaric",
        "boto3",
        "cbor2",
        "click",
        "greenlet",
        "h2",
        "jsonschema_rs",
        "ministack",
        "rich",
        "urllib3",
    }
)


def main() -> None:
    """Run the command line; name the extra to install if a package of it is missing."""
    try:
        from tapstack.cli._main import main as run

        run()
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        sys.exit(f"tapstack: {error.name} is not installed: pip install 'tapstack[local]'")


if __name__ == "__main__":
    main()
