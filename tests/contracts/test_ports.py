"""The promises of `tapstack.ports`, kept by our adapters over every service of the suite."""

from __future__ import annotations

import pytest

from tapstack.aws.dynamodb import DynamoTable
from tapstack.aws.kinesis import KinesisWriter
from tapstack.aws.table_reader import TableReader
from tapstack.errors import OutcomeUnknown, Throttled, Unavailable
from tapstack.ports import Key, Row, RowWrite, StreamEntry
from tapstack_emulator import Fault, FaultScript, FaultyApi, Injection, ManualClock

A, B, C = Key("a", "1"), Key("b", "1"), Key("c", "1")


def write(key: Key, seen: int, state: bytes = b"x", expires_at_s: int = 0) -> RowWrite:
    return RowWrite(key=key, version=seen + 1, state=state, expires_at_s=expires_at_s, seen_version=seen)


def row(key: Key, version: int, state: bytes = b"x", expires_at_s: int = 0) -> Row:
    return Row(key=key, version=version, state=state, expires_at_s=expires_at_s)


def test_rows_committed_are_read_and_others_do_not_exist(dynamodb, table) -> None:
    rows = DynamoTable(dynamodb.api, table)
    assert rows.commit([write(A, 0, b"\x00\xff", 4_000_000_000), write(B, 0, b"")]) is None
    found, left = rows.read([A, B, C])
    assert found == {A: row(A, 1, b"\x00\xff", 4_000_000_000), B: row(B, 1, b"")}
    assert left == []


def test_a_commit_that_lost_tells_what_won_and_applies_nothing(dynamodb, table) -> None:
    rows = DynamoTable(dynamodb.api, table)
    rows.commit([write(A, 0, b"won")])
    conflict = rows.commit([write(A, 0, b"lost"), write(B, 7, b"lost"), write(C, 0, b"lost")])
    assert conflict is not None
    assert conflict.images == {A: row(A, 1, b"won"), B: None}
    assert not conflict.contended
    assert rows.read([A, B, C])[0] == {A: row(A, 1, b"won")}
    assert rows.commit([write(A, 1, b"again")]) is None
    assert rows.read([A])[0] == {A: row(A, 2, b"again")}


def test_a_partition_is_read_in_the_order_of_its_sort_keys(dynamodb, table) -> None:
    rows = DynamoTable(dynamodb.api, table)
    rows.commit([write(Key("p", sk), 0) for sk in ("2", "10", "1")] + [write(Key("q", "0"), 0)])
    assert [found.key.sk for found in rows.query("p")] == ["1", "10", "2"]


@pytest.mark.parametrize(
    ("fault", "raises", "applied"),
    [
        ("throttle", Throttled, False),
        ("throttle_api", Throttled, False),
        ("throttle_transaction", Throttled, False),
        ("internal_error", Unavailable, False),
        ("internal_error_applied", Unavailable, True),
        ("lost_request", OutcomeUnknown, False),
        ("lost_response", OutcomeUnknown, True),
    ],
)
def test_a_commit_that_failed_raises_what_the_port_promises(
    dynamodb, table, fault: Fault, raises: type[Exception], applied: bool
) -> None:
    rows = DynamoTable(FaultyApi(dynamodb.api, FaultScript({1: fault})), table)
    with pytest.raises(raises):
        rows.commit([write(A, 0)])
    assert rows.read([A])[0] == ({A: row(A, 1)} if applied else {})


def test_a_commit_on_a_held_row_is_contended(dynamodb, table) -> None:
    rows = DynamoTable(
        FaultyApi(dynamodb.api, FaultScript({1: Injection("transaction_conflict", (0,))})), table
    )
    conflict = rows.commit([write(A, 0), write(B, 0)])
    assert conflict is not None
    assert (conflict.images, conflict.contended) == ({}, True)


def test_keys_the_table_did_not_get_to_are_named(dynamodb, table) -> None:
    rows = DynamoTable(FaultyApi(dynamodb.api, FaultScript({2: Injection("unprocessed", (1,))})), table)
    rows.commit([write(A, 0), write(B, 0)])
    assert rows.read([A, B]) == ({A: row(A, 1)}, [B])


def test_rows_are_read_in_batches_and_keys_that_were_left_are_asked_for_again(dynamodb, table) -> None:
    keys = [Key("many", f"{number:03d}") for number in range(130)]
    left = FaultScript({n: Injection("unprocessed", (0,)) for n in (3, 4)})
    rows = TableReader(FaultyApi(dynamodb.api, left), table, ManualClock(), jitter=lambda: 0.5)
    for some in (keys[:100], keys[100:120]):
        rows.commit([write(key, 0) for key in some])
    assert rows.read_all(keys) == {key: row(key, 1) for key in keys[:120]}


def test_a_consistent_read_is_never_stale(dynamodb, table) -> None:
    stale = FaultScript({n: Injection("stale_read") for n in range(2, 99)})
    rows = DynamoTable(FaultyApi(dynamodb.api, stale), table)
    rows.commit([write(A, 0)])
    assert rows.read([A], consistent=True) == ({A: row(A, 1)}, [])


def test_a_put_tells_for_each_entry_whether_it_is_stored(kinesis, stream) -> None:
    faulty = FaultyApi(kinesis.api, FaultScript({1: Injection("partial_put", (1,))}))
    entries = [StreamEntry(partition_key=name, data=name.encode()) for name in "abc"]
    assert KinesisWriter(faulty, stream).put(entries) == [True, False, True]


@pytest.mark.parametrize(
    "key", ["k", "late/2026-03-10/shardId-000000000000/49-50.ndjson", "a b+c=%25/\u00e9"]
)
@pytest.mark.parametrize("body", [b"", b"{}", bytes(range(256)) * 40])
def test_an_object_is_stored_whole_and_put_again_replaces_the_first(bucket, key, body) -> None:
    assert bucket.object_at(key) is None
    bucket.store.put(key, b"first")
    bucket.store.put(key, body)
    assert bucket.object_at(key) == body


ODD = ["a b+c=%25/\u00e9", "a&b<c>'\"", "a/b", "a//b", "a\U0001f600"]


def test_an_object_is_read_as_it_was_put_until_it_is_deleted(bucket) -> None:
    for key in ODD:
        assert bucket.store.get(key) is None
        bucket.store.delete(key)
        bucket.store.put(key, key.encode())
    for key in ODD:
        assert bucket.store.get(key) == key.encode()
        bucket.store.delete(key)
        assert bucket.store.get(key) is None


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9])
def test_many_objects_are_read_and_deleted_in_the_order_of_their_keys(bucket, count) -> None:
    keys = [f"spill/{number}" for number in range(count)]
    for key in keys:
        bucket.store.put(key, key.encode())
    asked = [*keys, "spill/none", *keys[:1]]
    assert bucket.store.get_each(asked) == [
        *(key.encode() for key in keys),
        None,
        *(k.encode() for k in keys[:1]),
    ]
    bucket.store.delete_each(asked)
    assert bucket.store.get_each(asked) == [None] * len(asked)


def test_keys_are_listed_by_prefix_in_the_order_of_their_bytes(bucket) -> None:
    for key in [*ODD, "b"]:
        bucket.store.put(key, b"")
    assert bucket.store.list("a") == (sorted(ODD, key=str.encode), True)
    assert bucket.store.list("a/") == (["a//b", "a/b"], True)
    assert bucket.store.list("c") == ([], True)
    assert bucket.store.list("", after="a/b") == (sorted([*ODD, "b"], key=str.encode)[-2:], True)


def test_many_keys_are_listed_page_by_page(bucket) -> None:
    names = [f"late/{number:04d}" for number in range(1_001)]
    for name in names:
        bucket.store.put(name, b"")
    page = bucket.store.list("late/")
    assert page == (names[:1_000], False)
    assert bucket.store.list("late/", after=page.keys[-1]) == (names[1_000:], True)
    assert bucket.store.list("late/", after=names[0]) == (names[1:], True)
