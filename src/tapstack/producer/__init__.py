"""The producer: an application's events to the collector or straight to Kinesis, and the truth about them.

An application calls `Producer.send`, or awaits `AsyncProducer.send`. ``events`` are the types to send,
``stamping`` checks and numbers them, they wait in one of the ``queues`` (memory, or the ``journal`` on disk),
``delivery`` decides what is sent when and again, the ``engine`` is the thread that does it, over a transport:
``to_collector`` or ``to_stream``. The guide is docs/producer.md.
"""

from tapstack.core.events import Item
from tapstack.errors import BufferFull, InvalidEvent
from tapstack.producer.asynchronous import AsyncProducer
from tapstack.producer.blocking import Producer
from tapstack.producer.engine import Closed
from tapstack.producer.events import (
    CartAdd,
    CartRemove,
    CartView,
    CheckoutStart,
    Custom,
    Event,
    Identify,
    ItemClick,
    ItemListView,
    ItemView,
    PageView,
    Purchase,
    Rate,
    Refund,
    Search,
    Share,
    WishlistAdd,
)
from tapstack.producer.journal_folder import JournalInUse
from tapstack.producer.options import Options
from tapstack.producer.refusals import Refused
from tapstack.producer.stamping import EventId
from tapstack.producer.stats import Stats
from tapstack.producer.to_collector import Collector
from tapstack.producer.to_stream import Stream
from tapstack.producer.transports import Answer, TooLarge, Transport

__all__ = [
    "Answer", "AsyncProducer", "BufferFull", "CartAdd", "CartRemove", "CartView", "CheckoutStart", "Closed",
    "Collector", "Custom", "Event", "EventId", "Identify", "InvalidEvent", "Item", "ItemClick",
    "ItemListView", "ItemView", "JournalInUse", "Options", "PageView", "Producer", "Purchase", "Rate",
    "Refund", "Refused", "Search", "Share", "Stats", "Stream", "TooLarge", "Transport", "WishlistAdd",
]  # fmt: skip
