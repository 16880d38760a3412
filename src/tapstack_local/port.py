"""The port of the API: whether it can be listened on, and why not."""

from __future__ import annotations

import errno
import socket

from tapstack.errors import UsageError


def require_free(port: int) -> None:
    """Return if a port can be listened on; raises UsageError otherwise, before anything else has started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise in_use(port, error) from None


def in_use(port: int, error: OSError) -> UsageError:
    """Return what to tell of a port that cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        return UsageError(f"port {port} is in use; choose another one with --port")
    return UsageError(f"port {port} cannot be used: {error.strerror}")
