"""The table in DynamoDB: versions, conflicts, pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.aws.dynamodb import DynamoTable
from tapstack.errors import OutcomeUnknown, TapstackError, Throttled, Unavailable, UndecodableRow
from tapstack.ports import AwsError, CommitConflict, Key, Row, RowWrite
from tapstack_emulator import FaultScript, FaultyApi, Injection, MemoryDynamoDB

A, B, C = Key("U#a", "-"), Key("U#b", "-"), Key("I#€", "0001")
KEYS = st.builds(Key, st.sampled_from(["U#a", "I#b"]), st.sampled_from(["0", "1", "2"]))


def table() -> tuple[DynamoTable, MemoryDynamoDB]:
    memory = MemoryDynamoDB()
    memory.create_table("t", ttl_attribute="ttl")
    return DynamoTable(memory, "t"), memory


def write(key: Key, state: bytes = b"x", seen_version: int = 0, **more: Any) -> RowWrite:
    return RowWrite(
        key=key, state=state, **{"version": seen_version + 1, "seen_version": seen_version, **more}
    )


@given(st.dictionaries(KEYS, st.tuples(st.binary(max_size=20), st.integers(0, 2**33)), min_size=1))
def test_what_is_committed_is_read_and_queried(rows: dict[Key, tuple[bytes, int]]) -> None:
    rows_table, _ = table()
    writes = [write(key, state, expires_at_s=until_s) for key, (state, until_s) in rows.items()]
    assert rows_table.commit(writes) is None
    expected = {
        each.key: Row(key=each.key, version=1, state=each.state, expires_at_s=each.expires_at_s)
        for each in writes
    }
    assert rows_table.read([*rows, Key("nobody", "-")]) == (expected, [])
    for pk in {key.pk for key in rows}:
        assert rows_table.query(pk) == [expected[key] for key in sorted(rows) if key.pk == pk]


def test_a_write_takes_the_version_it_saw_and_leaves_the_next() -> None:
    rows, _ = table()
    rows.commit([write(A, version=1_000)])
    assert rows.commit([write(A, b"y", 1_000)]) is None
    assert rows.read([A])[0][A].version == 1_001


@pytest.mark.parametrize("seen_version", [0, 1, 3])
def test_a_loser_is_shown_what_won_and_nothing_is_applied(seen_version: int) -> None:
    rows, memory = table()
    rows.commit([write(A, b"1", expires_at_s=9)])
    rows.commit([write(A, b"2", 1, expires_at_s=9)])
    before = memory.items("t")
    conflict = rows.commit([write(B), write(A, b"z", seen_version)])
    won = Row(key=A, version=2, state=b"2", expires_at_s=9)
    assert conflict == CommitConflict(images={A: won}, contended=False)
    assert memory.items("t") == before


def test_a_row_that_is_gone_is_shown_as_none() -> None:
    rows, _ = table()
    assert rows.commit([write(A, b"z", 3)]) == CommitConflict(images={A: None})


class Cancelling:
    """Answers every transaction with these reasons."""

    def __init__(self, *reasons: dict[str, Any], code: str = "TransactionCanceledException") -> None:
        self._body = msgspec.json.encode(
            {
                "__type": f"com.amazonaws.dynamodb.v20120810#{code}",
                "CancellationReasons": reasons,
                "Message": "m",
            }
        )
        self._code = code

    def call(self, operation: str, body: bytes) -> bytes:
        raise AwsError(self._code, "m", body=self._body)


NONE = {"Code": "None"}
FAILED = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
HELD = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
THROTTLED = {"Code": "ThrottlingError", "Message": "slow"}
EXCEEDED = {"Code": "ProvisionedThroughputExceeded", "Message": "slow"}
INVALID = {"Code": "ValidationError", "Message": "Item size exceeded"}
ITEM = {
    "pk": {"S": B.pk},
    "sk": {"S": B.sk},
    "v": {"N": "7"},
    "s": {"B": "eA=="},
    "other": {"S": "new field"},
}
B_NOW = Row(key=B, version=7, state=b"x", layout=1)  # as no layout is said

MIXED: dict[str, tuple[list[dict[str, Any]], CommitConflict | type[TapstackError]]] = {
    "one lost": ([NONE, FAILED | {"Item": ITEM}, NONE], CommitConflict(images={B: B_NOW})),
    "one lost, gone": ([NONE, FAILED, NONE], CommitConflict(images={B: None})),
    "one held": ([NONE, NONE, HELD], CommitConflict(images={}, contended=True)),
    "lost and held": (
        [HELD, FAILED | {"Item": ITEM}, NONE],
        CommitConflict(images={B: B_NOW}, contended=True),
    ),
    "all lost": ([FAILED, FAILED, FAILED], CommitConflict(images={A: None, B: None, C: None})),
    "throttled": ([THROTTLED, NONE, NONE], Throttled),
    "over the table's throughput": ([NONE, NONE, EXCEEDED], Throttled),
    "lost and throttled": ([FAILED, NONE, THROTTLED], Throttled),
    "held and throttled": ([HELD, NONE, THROTTLED], Throttled),
    "no valid write": ([INVALID, NONE, NONE], Unavailable),
    "lost, and no valid write": ([FAILED, INVALID, NONE], Unavailable),
    "a reason of tomorrow": ([{"Code": "MoonPhase"}, NONE, NONE], Unavailable),
    "fewer reasons than writes": ([NONE], Unavailable),
    "no reasons": ([], Unavailable),
}


@pytest.mark.parametrize(("reasons", "expected"), MIXED.values(), ids=MIXED)
def test_why_a_transaction_was_cancelled_is_read_from_all_its_reasons(
    reasons: list[dict[str, Any]], expected: CommitConflict | type[TapstackError]
) -> None:
    rows = DynamoTable(Cancelling(*reasons), "t")
    writes = [write(A), write(B, seen_version=6), write(C)]
    if isinstance(expected, CommitConflict):
        assert rows.commit(writes) == expected
    else:
        with pytest.raises(expected) as caught:
            rows.commit(writes)
        assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ThrottlingException", Throttled),
        ("TransactionInProgressException", Throttled),
        ("InternalServerError", OutcomeUnknown),
        ("ValidationException", Unavailable),
    ],
)
def test_other_errors_of_a_commit_are_translated(code: str, expected: type[TapstackError]) -> None:
    with pytest.raises(expected) as caught:
        DynamoTable(Cancelling(code=code), "t").commit([write(A)])
    assert type(caught.value) is expected


def test_keys_that_were_not_got_to_are_told() -> None:
    rows, memory = table()
    rows.commit([write(A), write(B)])
    faulty = DynamoTable(FaultyApi(memory, FaultScript({1: Injection("unprocessed", (0,))})), "t")
    found, left = faulty.read([A, B, C])
    assert (set(found), list(left)) == ({B}, [A])


def test_a_partition_of_several_pages_is_read_whole_and_in_order() -> None:
    rows, memory = table()
    keys = [Key("I#a", f"{lane:04}") for lane in range(30)]
    for key in keys:  # a page of a Query is 1 MB
        rows.commit([write(key, b"x" * 100_000)])
    assert [row.key for row in rows.query("I#a")] == keys
    assert memory.calls["Query"] > 1


class Answering:
    """Answers every call with this, and keeps what was asked."""

    def __init__(self, answer: object) -> None:
        self._answer = msgspec.json.encode(answer)
        self.asked: list[dict[str, Any]] = []

    def call(self, operation: str, body: bytes) -> bytes:
        self.asked.append(msgspec.json.decode(body))
        return self._answer


@pytest.mark.parametrize(("consistent", "said"), [(True, {"ConsistentRead": True}), (False, {}), (None, {})])
def test_a_read_is_consistent_if_asked_for_and_else_costs_half(
    consistent: bool | None, said: dict[str, bool]
) -> None:
    api = Answering({})
    DynamoTable(api, "t").read([A], **({} if consistent is None else {"consistent": consistent}))
    assert api.asked == [{"RequestItems": {"t": {"Keys": [{"pk": {"S": A.pk}, "sk": {"S": A.sk}}], **said}}}]


def test_a_partition_is_asked_for_from_where_the_last_page_ended_and_only_then() -> None:
    rows, memory = table()
    asked: list[dict[str, Any]] = []

    class Watched:
        def call(self, operation: str, body: bytes) -> bytes:
            asked.append(msgspec.json.decode(body))
            return memory.call(operation, body)

    for lane in range(30):  # a page of a Query is 1 MB
        rows.commit([write(Key("I#a", f"{lane:04}"), b"x" * 100_000)])
    assert len(DynamoTable(Watched(), "t").query("I#a")) == 30
    first, *more = asked
    assert "ExclusiveStartKey" not in first
    assert more
    assert all(each["ExclusiveStartKey"]["pk"] == {"S": "I#a"} for each in more)


CALLS: dict[str, Callable[[DynamoTable], object]] = {
    "read": lambda rows: rows.read([A]),
    "query": lambda rows: rows.query(A.pk),
    "commit": lambda rows: rows.commit([write(A)]),
}

ROW_ITEM = {"pk": {"S": A.pk}, "sk": {"S": A.sk}, "v": {"N": "1"}, "s": {"B": "eA=="}, "ttl": {"N": "9"}}
FOREIGN: dict[str, dict[str, Any]] = {
    "no state": {"s": None},
    "a state of text": {"s": {"S": "secret"}},
    "no version": {"v": None},
    "a version of text": {"v": {"S": "secret"}},
    "no whole version": {"v": {"N": "1.5"}},
    "no whole ttl": {"ttl": {"N": "1.5"}},
    "no whole layout": {"l": {"N": "1.5"}},
    "a ttl of text": {"ttl": {"S": "secret"}},
}


@pytest.mark.parametrize("changes", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("way", CALLS)
def test_an_item_of_other_attributes_is_no_row_and_its_values_are_not_told(
    way: str, changes: dict[str, Any]
) -> None:
    item = {name: value for name, value in {**ROW_ITEM, **changes}.items() if value is not None}
    api: Any = {
        "read": Answering({"Responses": {"t": [item]}}),
        "query": Answering({"Items": [item]}),
        "commit": Cancelling({"Code": "ConditionalCheckFailed", "Item": item}),
    }[way]
    with pytest.raises(
        UndecodableRow, match=r"^row: (Object missing required field|expected whole numbers as v, ttl and l$)"
    ) as caught:
        CALLS[way](DynamoTable(api, "t"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("ask", CALLS.values(), ids=CALLS)
def test_an_error_names_the_service(ask: Callable[[DynamoTable], object]) -> None:
    with pytest.raises(Throttled, match=r"^dynamodb: ThrottlingException"):
        ask(DynamoTable(Cancelling(code="ThrottlingException"), "t"))


CANCELLED = {
    "its reasons are missing": ([], r"^dynamodb: a transaction was cancelled without its reasons: "),
    "load": ([THROTTLED], r"^dynamodb: a transaction was cancelled: \['ThrottlingError'\]$"),
    "another reason": ([INVALID], r"^dynamodb: a transaction was cancelled: \['ValidationError'\]$"),
}


@pytest.mark.parametrize(("reasons", "message"), CANCELLED.values(), ids=CANCELLED)
def test_the_message_says_why_a_transaction_was_cancelled(
    reasons: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(Unavailable, match=message):
        DynamoTable(Cancelling(*reasons), "t").commit([write(A)])


def test_a_row_that_never_expires_has_no_ttl() -> None:
    rows, memory = table()
    rows.commit([write(A)])
    (item,) = memory.items("t")
    assert set(item) == {"pk", "sk", "v", "s", "l"}
