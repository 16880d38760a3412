"""The behaviour table in DynamoDB.

Requests are built as typed structs and written by msgspec: no expression is parsed and no attribute
value is wrapped on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import TypeVar

import msgspec

from tapstack.aws.calls import call, translate
from tapstack.errors import Throttled, Unavailable, UndecodableRow
from tapstack.ports import (
    ANY_VERSION,
    FIRST_LAYOUT,
    LAYOUT,
    AwsApi,
    AwsError,
    CommitConflict,
    Key,
    Row,
    RowWrite,
    Written,
)

SERVICE = "dynamodb"

T = TypeVar("T")


class _S(msgspec.Struct, gc=False):
    S: str


class _N(msgspec.Struct, gc=False):
    N: str


class _B(msgspec.Struct, gc=False):
    B: bytes  # base64 in JSON, by msgspec


_Value = _S | _N | _B


class _KeyItem(msgspec.Struct, gc=False):
    pk: _S
    sk: _S


_LAYOUT = _N(str(LAYOUT))


class _RowItem(msgspec.Struct, gc=False, omit_defaults=True):
    """A stored row; written and read in this shape."""

    pk: _S
    sk: _S
    v: _N
    s: _B
    ttl: _N | None = None
    l: _N | None = None  # noqa: E741 - the attribute's name

    def row(self, key: Key | None = None) -> Row:
        """Return the row; its key is not created again if the caller has it."""
        try:
            version = int(self.v.N)
            expires_at_s = int(self.ttl.N) if self.ttl is not None else 0
            layout = FIRST_LAYOUT if self.l is None else int(self.l.N)
        except ValueError:
            raise UndecodableRow("row", "expected whole numbers as v, ttl and l") from None
        return Row(
            key=key or Key(self.pk.S, self.sk.S),
            version=version,
            state=self.s.B,
            expires_at_s=expires_at_s,
            layout=layout,
        )


class _KeysOf(msgspec.Struct):
    Keys: list[_KeyItem]


class _KeysToRead(_KeysOf):
    ConsistentRead: bool | msgspec.UnsetType = msgspec.UNSET


class _BatchAnswer(msgspec.Struct):
    Responses: dict[str, list[_RowItem]] = {}
    UnprocessedKeys: dict[str, _KeysOf] = {}


class _Seen(msgspec.Struct, gc=False, rename={"v": ":v"}):
    v: _N


class _Put(msgspec.Struct, gc=False, omit_defaults=True):
    TableName: str
    Item: _RowItem
    ConditionExpression: str | None = None
    ExpressionAttributeValues: _Seen | None = None
    ReturnValuesOnConditionCheckFailure: str | None = None


class _Write(msgspec.Struct, gc=False):
    Put: _Put


class _Reason(msgspec.Struct):
    Code: str = "None"
    Item: _RowItem | None = None


class _Cancelled(msgspec.Struct):
    CancellationReasons: list[_Reason] = []


class _Refused(msgspec.Struct):
    Item: _RowItem | None = None


class _Statement(msgspec.Struct, gc=False, omit_defaults=True):
    Statement: str
    Parameters: list[_Value]
    ReturnValuesOnConditionCheckFailure: str | None = None


class _StatementError(_Refused):
    Code: str = ""
    Message: str = ""


class _Ran(msgspec.Struct):
    Error: _StatementError | None = None


class _RanAll(msgspec.Struct):
    Responses: list[_Ran] = []


class _QueryAnswer(msgspec.Struct):
    Items: list[_RowItem] = []
    LastEvaluatedKey: _KeyItem | None = None


# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.multiplestatements.batching.html,
# read 2026-11-30
STATEMENTS_MAX = 25
_INSERT = "INSERT INTO \"{}\" VALUE {{'pk':?,'sk':?,'v':?,'s':?,'ttl':?,'l':?}}"
_UPDATE = 'UPDATE "{}" SET "v"=? SET "s"=? SET "ttl"=? SET "l"=? WHERE "pk"=? AND "sk"=? AND "v"=?'

_encoder = msgspec.json.Encoder()
_batch_decoder = msgspec.json.Decoder(_BatchAnswer)
_cancelled_decoder = msgspec.json.Decoder(_Cancelled)
_refused_decoder = msgspec.json.Decoder(_Refused)
_ran_decoder = msgspec.json.Decoder(_RanAll)
_query_decoder = msgspec.json.Decoder(_QueryAnswer)


class DynamoTable:
    """`StateTable` and `ProjectionTable` of `tapstack.ports` on one DynamoDB table.

    Parameters
    ----------
    api
        DynamoDB.
    table_name
        The table: string keys ``pk`` and ``sk``, TTL attribute ``ttl``.
    """

    _batches_at_once = 1  # of statements

    def __init__(self, api: AwsApi, table_name: str) -> None:
        self._api = api
        self._name = table_name
        self._insert = _INSERT.format(table_name)
        self._update = _UPDATE.format(table_name)

    def read(
        self, keys: Sequence[Key], *, consistent: bool = False
    ) -> tuple[Mapping[Key, Row], Sequence[Key]]:
        """Read up to 100 rows; see `tapstack.ports.StateTable.read`."""
        wanted = [_KeyItem(_S(key.pk), _S(key.sk)) for key in keys]
        request = _KeysToRead(wanted, True if consistent else msgspec.UNSET)
        body = _encoder.encode({"RequestItems": {self._name: request}})
        answer = _decode(_batch_decoder, call(SERVICE, self._api, "BatchGetItem", body))
        asked: dict[tuple[str, str], Key] = {key: key for key in keys}
        items = answer.Responses.get(self._name, ())
        rows = {row.key: row for row in [item.row(asked.get((item.pk.S, item.sk.S))) for item in items]}
        left = answer.UnprocessedKeys.get(self._name)
        return rows, [] if left is None else [Key(item.pk.S, item.sk.S) for item in left.Keys]

    def commit(self, writes: Sequence[RowWrite]) -> CommitConflict | None:
        """Write all rows or none; see `tapstack.ports.StateTable.commit`."""
        body = _encoder.encode({"TransactItems": [_Write(self._put(write)) for write in writes]})
        try:
            self._api.call("TransactWriteItems", body)
        except AwsError as error:
            if error.code == "TransactionCanceledException":
                return _conflict(writes, error)
            raise translate(SERVICE, error) from None
        return None

    def get(self, key: Key) -> Row | None:
        """Read one row; see `tapstack.ports.RowReader.get`. A Query, as readers may do, costs the same."""
        values = {":pk": _S(key.pk), ":sk": _S(key.sk)}
        rows = self._query({"KeyConditionExpression": "pk = :pk AND sk = :sk"}, values)
        return rows[0] if rows else None

    def query(self, pk: str, *, consistent: bool = False) -> Sequence[Row]:
        """Read a partition; see `tapstack.ports.RowReader.query`."""
        how = {"KeyConditionExpression": "pk = :pk", **({"ConsistentRead": True} if consistent else {})}
        return self._query(how, {":pk": _S(pk)})

    def read_range(self, pk: str, first: str, last: str, limit: int) -> Sequence[Row]:
        """Read part of a partition; see `tapstack.ports.ProjectionTable.read_range`."""
        request = {
            "TableName": self._name,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": {":pk": _S(pk), ":first": _S(first), ":last": _S(last)},
            "ConsistentRead": True,
            "Limit": limit,
        }
        answer = _decode(_query_decoder, call(SERVICE, self._api, "Query", _encoder.encode(request)))
        return [item.row() for item in answer.Items]

    def write_each(self, writes: Sequence[RowWrite]) -> Written:
        """Write rows, each by itself; see `tapstack.ports.ProjectionTable.write_each`.

        Many go together, a statement each. It stops where something fails: of a table that does not answer,
        each call would wait.
        """
        together = [write for write in writes if _fits_statement(write)]
        if len(together) <= 1:
            return self._put_each(writes)
        refused: dict[Key, Row | None] = {}
        at_once = STATEMENTS_MAX * self._batches_at_once
        for start in range(0, len(together), at_once):
            written = self._run_each(together[start : start + at_once])
            refused.update(written.refused)
            if written.left:
                left = [*written.left, *together[start + at_once :]]
                return Written(refused, [*left, *_others(writes)], written.reason)
        put = self._put_each(_others(writes))
        return put._replace(refused={**refused, **put.refused})

    def _run_each(self, writes: Sequence[RowWrite]) -> Written:
        """Write rows in batches; all batches are sent before the first answer is read."""
        batches = [writes[at : at + STATEMENTS_MAX] for at in range(0, len(writes), STATEMENTS_MAX)]
        answers = [self._start(number, self._statements(batch)) for number, batch in enumerate(batches)]
        ran = [self._written(batch, answer) for batch, answer in zip(batches, answers, strict=True)]
        return Written(
            {key: row for each in ran for key, row in each.refused.items()},
            [*chain.from_iterable([each.left for each in ran])],
            next((each.reason for each in ran if each.reason is not None), None),
        )

    def _start(self, number: int, body: bytes) -> Callable[[], bytes]:  # noqa: ARG002 - there is but one
        """Start the call of a batch; return what returns its answer, or raises what the call does."""
        return partial(self._api.call, "BatchExecuteStatement", body)

    def _statements(self, writes: Sequence[RowWrite]) -> bytes:
        return _encoder.encode({"Statements": [self._statement(write) for write in writes]})

    def _written(self, writes: Sequence[RowWrite], returned: Callable[[], bytes]) -> Written:
        """Return what became of the writes of a batch; each has an answer of its own."""
        try:
            answer = returned()
        except AwsError as refused_all:
            return Written({}, writes, translate(SERVICE, refused_all))
        except Unavailable as unavailable:
            return Written({}, writes, unavailable)
        errors = [ran.Error for ran in _decode(_ran_decoder, answer).Responses]
        if len(errors) != len(writes):
            return Written({}, writes, Unavailable("dynamodb: not every statement of a batch was answered"))
        refused: dict[Key, Row | None] = {}
        there: list[RowWrite] = []
        left: list[RowWrite] = []
        reason: Unavailable | None = None
        for write, error in zip(writes, errors, strict=True):
            if error is None:
                continue
            if error.Code == "ConditionalCheckFailed":
                refused[write.key] = None if error.Item is None else error.Item.row()
            elif error.Code == "DuplicateItem":
                there.append(write)
            else:
                left.append(write)
                reason = translate(SERVICE, AwsError(error.Code, error.Message))
        put = self._put_each(there)  # an INSERT does not say which row it met
        return Written({**refused, **put.refused}, [*left, *put.left], reason or put.reason)

    def _put_each(self, writes: Sequence[RowWrite]) -> Written:
        refused: dict[Key, Row | None] = {}
        for position, write in enumerate(writes):
            try:
                self._api.call("PutItem", _encoder.encode(self._put(write)))
            except AwsError as error:
                if error.code != "ConditionalCheckFailedException":
                    return Written(refused, writes[position:], translate(SERVICE, error))
                item = _decode(_refused_decoder, error.body).Item
                refused[write.key] = None if item is None else item.row()
            except Unavailable as error:
                return Written(refused, writes[position:], error)
        return Written(refused)

    def read_prefix(self, pk: str, sk_prefix: str) -> Sequence[Row]:
        """Read part of a partition; see `tapstack.ports.StateTable.read_prefix`."""
        if not sk_prefix:  # DynamoDB refuses an empty one
            return self.query(pk, consistent=True)
        condition = "pk = :pk AND begins_with(sk, :sk)"
        values = {":pk": _S(pk), ":sk": _S(sk_prefix)}
        return self._query({"KeyConditionExpression": condition, "ConsistentRead": True}, values)

    def _query(self, how: Mapping[str, object], values: Mapping[str, _S]) -> Sequence[Row]:
        rows: list[Row] = []
        start: _KeyItem | None = None
        while True:
            request = {
                "TableName": self._name,
                "ExpressionAttributeValues": values,
                **how,
                **({} if start is None else {"ExclusiveStartKey": start}),
            }
            answer = _decode(_query_decoder, call(SERVICE, self._api, "Query", _encoder.encode(request)))
            rows += [item.row() for item in answer.Items]
            start = answer.LastEvaluatedKey
            if start is None:
                return rows

    def _statement(self, write: RowWrite) -> _Statement:
        key: list[_Value] = [_S(write.key.pk), _S(write.key.sk)]
        values: list[_Value] = [_N(str(write.version)), _B(write.state), _N(str(write.expires_at_s)), _LAYOUT]
        if write.seen_version == 0:
            return _Statement(self._insert, [*key, *values])
        return _Statement(self._update, [*values, *key, _N(str(write.seen_version))], "ALL_OLD")

    def _put(self, write: RowWrite) -> _Put:
        item = _RowItem(
            _S(write.key.pk),
            _S(write.key.sk),
            _N(str(write.version)),
            _B(write.state),
            _N(str(write.expires_at_s)) if write.expires_at_s else None,
            _LAYOUT,
        )
        if write.seen_version == ANY_VERSION:
            return _Put(self._name, item)
        if write.seen_version == 0:
            return _Put(self._name, item, "attribute_not_exists(pk)", None, "ALL_OLD")
        return _Put(self._name, item, "v = :v", _Seen(_N(str(write.seen_version))), "ALL_OLD")


def _fits_statement(write: RowWrite) -> bool:
    """Return whether a statement can do it: of an UPDATE an expiry would stay, and it asks for a version."""
    return write.expires_at_s > 0 and write.seen_version != ANY_VERSION


def _others(writes: Sequence[RowWrite]) -> Sequence[RowWrite]:
    return [write for write in writes if not _fits_statement(write)]


def _decode(decoder: msgspec.json.Decoder[T], answer: bytes) -> T:
    try:
        return decoder.decode(answer)
    except msgspec.ValidationError as error:  # an item of other attributes, or of other types
        raise UndecodableRow("row", str(error)) from None


def _conflict(writes: Sequence[RowWrite], error: AwsError) -> CommitConflict:
    """Read why a transaction was cancelled; the reasons are in the order of the writes [1]_.

    References
    ----------
    .. [1] https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html,
       read 2026-11-23
    """
    reasons = _decode(_cancelled_decoder, error.body).CancellationReasons
    codes = {reason.Code for reason in reasons}
    if len(reasons) != len(writes):
        raise Unavailable(f"dynamodb: a transaction was cancelled without its reasons: {error}")
    if codes & _THROTTLED:
        raise Throttled(f"dynamodb: a transaction was cancelled: {sorted(codes)}")
    if strange := codes - {"None", "ConditionalCheckFailed", "TransactionConflict"}:
        raise Unavailable(f"dynamodb: a transaction was cancelled: {sorted(strange)}")
    images = {
        write.key: None if reason.Item is None else reason.Item.row()
        for write, reason in zip(writes, reasons, strict=True)
        if reason.Code == "ConditionalCheckFailed"
    }
    return CommitConflict(images=images, contended="TransactionConflict" in codes)


_THROTTLED = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})
