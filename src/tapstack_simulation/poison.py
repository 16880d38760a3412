"""What is no event and never will be: on the stream, and in the requests of senders."""

from __future__ import annotations

import hashlib
import random

LARGE_BYTES = 900_000
# What senders put beside events: wrong, no JSON, or half an emoji; brackets and strings are closed.
NO_EVENTS = (
    b'{"event_type":"nope","user_id":"a","event_id":"b"}',
    b'{"event_type":"page_view","event_id":"of nobody"}',
    b'{"event_type":"page_view","user_id":"a","event_id":"b","query":"\\ud83d"}',
    b'{"event_type":"page_view","user_id":"a","event_id":"b","value":tru}',
    b'{"quoted":"]},{[\\"","event_id":[1,[2,{}]],}',
    b"17",
    b"[]",
    b"{}",
)

# The same where names have pseudonyms: under near spellings, at any depth, and where nothing can be read.
NAMED_NO_EVENTS = (
    *NO_EVENTS,
    b'{"event_type":"nope","User-ID":"user1","event_id":"b"}',
    b'{"event_type":"page_view","userId":"user1","event_id":"b"}',
    b'{"event_type":"page_view","context":[{"Anonymous_ID":"visitor1"}]}',
    b'{"event_type":"page_view","user_id":"user1","event_id":"b","value":tru}',
)
# The same of people who denied consent: refused, and kept nowhere.
DENIED_NO_EVENTS = (
    b'{"event_type":"nope","user_id":"unwelcome","event_id":"b","consent":{"analytics":false}}',
    b'{"event_type":"page_view","event_id":"unwelcome","consent":{"Analytics":"denied"}}',
    b'{"event_type":"page_view","user_id":"unwelcome","value":tru,"consent":{"analytics":false}}',
    b'{"event_type":"page_view","user_id":"unwelcome","event_id":"b","consent":false}',
)


def large_poison(rng: random.Random) -> list[bytes]:
    """Make records near 1 MiB, so many that a batch of them would not fit the 6 MB of an invocation."""
    return [b'"' + rng.randbytes(8).hex().encode() * (LARGE_BYTES // 16) + b'"' for _ in range(8)]


def draw_poison(rng: random.Random) -> bytes:
    """Draw a payload; no two are alike, so that each can be told from the others."""
    tag = f"{rng.getrandbits(48):012x}"
    aggregated = b"\x0a\x02" + tag.encode()
    kinds = (
        b"{not json " + tag.encode(),
        b'{"event_type":"item_view","x":"' + tag.encode() + b'"}',
        b'["' + tag.encode() + b'"]',
        b"\x00\xff\xfe" + tag.encode(),
        b"\xf3\x89\x9a\xc2" + aggregated + hashlib.md5(aggregated, usedforsecurity=False).digest(),
        b'{"event_type":"page_view","user_id":"","event_id":"' + tag.encode() + b'"}',
        b'"' + tag.encode() * 4_000 + b'"',
        tag.encode(),
        b"",
    )
    return rng.choice(kinds)
