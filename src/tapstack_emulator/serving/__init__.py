"""Serves the fakes over HTTP, to clients of any language: HTTP/1.1 and HTTP/2, JSON and CBOR."""

from __future__ import annotations

from tapstack_emulator.serving.server import ServiceServer
from tapstack_emulator.serving.threads import serving

__all__ = ["ServiceServer", "serving"]
