"""Connecting to a host of several addresses, some of which swallow what they are sent."""

from __future__ import annotations

import gc
import socket
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tapstack.aws.connection import Connection, Place, connect


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def place(stack: ExitStack, *, backlog: int) -> Place:
    peer = stack.enter_context(socket.socket())
    peer.bind(("127.0.0.1", 0))
    peer.listen(backlog)
    return socket.AF_INET, socket.SOCK_STREAM, 6, "", peer.getsockname()


def hole(stack: ExitStack) -> Place:
    """Make a place whose queue is full: the system drops what comes, as a firewall does."""
    found = place(stack, backlog=0)
    for _ in range(2):
        caller = stack.enter_context(socket.socket())
        caller.setblocking(False)
        caller.connect_ex(found[4])
    return found


def closed(stack: ExitStack) -> Place:
    with ExitStack() as short:
        return place(short, backlog=1)


def test_the_first_place_that_answers_is_taken_and_the_whole_time_is_for_its_answers(
    stack: ExitStack,
) -> None:
    good = place(stack, backlog=1)
    peer = stack.enter_context(connect([hole(stack), closed(stack), good, hole(stack)], 1.0))
    assert peer.getpeername() == good[4]
    assert peer.gettimeout() == 1.0


@pytest.mark.parametrize("count", [3, 8])
def test_all_places_together_take_no_longer_than_one(stack: ExitStack, count: int) -> None:
    began_s = time.monotonic()
    with pytest.raises(TimeoutError):
        connect([hole(stack) for _ in range(count)], 0.4)
    assert time.monotonic() - began_s < 0.4 * count * 0.75, "each place was waited for as long as for all"


def test_a_host_without_a_place_is_an_error_as_any_other() -> None:
    with pytest.raises(OSError, match="no address"):
        connect([], 1.0)


def test_of_a_cycle_the_collector_may_meet_the_socket_first_and_it_is_closed_without_a_warning(
    stack: ExitStack,
) -> None:
    address = place(stack, backlog=1)[4]
    kept: list[object] = [connection := Connection(*address, None, 1.0)]
    connection.open()
    met_first = connection.sock
    del connection
    gc.collect()  # what is reached by way of the list is now behind what the frame holds
    assert met_first is not None
    left = weakref.ref(met_first)
    kept.append(kept)  # the cycle
    del kept, met_first
    gc.collect()
    assert left() is None
