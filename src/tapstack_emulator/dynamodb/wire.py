"""Requests of the DynamoDB API as far as it is implemented (DynamoDB_20120810, AWS JSON 1.0).

Read from https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/ on 2026-11-23.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from tapstack_emulator.aws_request import Wire, matching

TableName = Annotated[str, Meta(min_length=1, max_length=1024)]
NameOfPlaceholder = Annotated[str, Meta(max_length=65_535)]
AttributeName = Annotated[str, Meta(min_length=1, max_length=255)]
Attributes = dict[str, Any]
"""Attribute values by name; `values.canonical` checks them."""

Capacity = Literal["INDEXES", "TOTAL", "NONE"]
Image = Literal["ALL_OLD", "NONE"]
Returned = Literal["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"]


class OfTable(Wire, kw_only=True):
    """A request that names its table, or DescribeTable, DeleteTable, DescribeTimeToLive."""

    table_name: TableName


class Expressions(OfTable, kw_only=True):
    """A request with expressions, and what their placeholders mean."""

    expression_attribute_names: dict[str, NameOfPlaceholder] | None = None
    expression_attribute_values: Attributes | None = None


class GetItem(OfTable, kw_only=True):
    """A request."""

    key: Attributes
    consistent_read: bool | None = None
    return_consumed_capacity: Capacity | None = None


class Query(Expressions, kw_only=True):
    """A request."""

    key_condition_expression: str | None = None
    exclusive_start_key: Attributes | None = None
    scan_index_forward: bool | None = None
    limit: Annotated[int, Meta(ge=1)] | None = None
    consistent_read: bool | None = None
    return_consumed_capacity: Capacity | None = None


class Conditional(Expressions, kw_only=True):
    """A write, or a check, that may depend on the row."""

    condition_expression: str | None = None
    return_values_on_condition_check_failure: Image | None = None


class Put(Conditional, kw_only=True):
    """A write of a transaction."""

    item: Attributes


class Delete(Conditional, kw_only=True):
    """A write of a transaction."""

    key: Attributes


class ConditionCheck(Conditional, kw_only=True):
    """A check of a transaction."""

    key: Attributes
    condition_expression: str


class PutItem(Put, kw_only=True):
    """A request."""

    return_values: Returned | None = None
    return_consumed_capacity: Capacity | None = None


class DeleteItem(Delete, kw_only=True):
    """A request."""

    return_values: Returned | None = None
    return_consumed_capacity: Capacity | None = None


class TransactWriteItem(Wire, kw_only=True):
    """One action of a transaction: exactly one of its members."""

    condition_check: ConditionCheck | None = None
    put: Put | None = None
    delete: Delete | None = None


class TransactWriteItems(Wire, kw_only=True):
    """A request."""

    transact_items: Annotated[list[TransactWriteItem], Meta(min_length=1, max_length=100)]
    client_request_token: Annotated[str, Meta(min_length=1, max_length=36)] | None = None
    return_consumed_capacity: Capacity | None = None


class KeysAndAttributes(Wire, kw_only=True):
    """What BatchGetItem reads of one table."""

    keys: Annotated[list[Attributes], Meta(min_length=1, max_length=100)]
    consistent_read: bool | None = None


class BatchGetItem(Wire, kw_only=True):
    """A request."""

    request_items: Annotated[dict[str, KeysAndAttributes], Meta(min_length=1, max_length=100)]
    return_consumed_capacity: Capacity | None = None


class PutRequest(Wire, kw_only=True):
    """A write of BatchWriteItem."""

    item: Attributes


class DeleteRequest(Wire, kw_only=True):
    """A write of BatchWriteItem."""

    key: Attributes


class WriteRequest(Wire, kw_only=True):
    """One write of BatchWriteItem: exactly one of its members."""

    put_request: PutRequest | None = None
    delete_request: DeleteRequest | None = None


WriteRequests = Annotated[list[WriteRequest], Meta(min_length=1, max_length=25)]


class BatchWriteItem(Wire, kw_only=True):
    """A request."""

    request_items: Annotated[dict[str, WriteRequests], Meta(min_length=1, max_length=25)]
    return_consumed_capacity: Capacity | None = None


class BatchStatementRequest(Wire, kw_only=True):
    """One statement of BatchExecuteStatement."""

    statement: Annotated[str, Meta(min_length=1, max_length=8192)]
    parameters: Annotated[list[Any], Meta(min_length=1)] | None = None
    return_values_on_condition_check_failure: Image | None = None


class BatchExecuteStatement(Wire, kw_only=True):
    """A request."""

    statements: Annotated[list[BatchStatementRequest], Meta(min_length=1, max_length=25)]
    return_consumed_capacity: Capacity | None = None


class AttributeDefinition(Wire, kw_only=True):
    """A key's attribute and its type."""

    attribute_name: AttributeName
    attribute_type: Literal["S", "N", "B"]


class KeySchemaElement(Wire, kw_only=True):
    """A part of the primary key."""

    attribute_name: AttributeName
    key_type: Literal["HASH", "RANGE"]


class ProvisionedThroughput(Wire, kw_only=True):
    """Units a second, which are described and limit nothing."""

    read_capacity_units: Annotated[int, Meta(ge=1)]
    write_capacity_units: Annotated[int, Meta(ge=1)]


class CreateTable(OfTable, kw_only=True):
    """A request."""

    attribute_definitions: list[AttributeDefinition]
    key_schema: Annotated[list[KeySchemaElement], Meta(min_length=1, max_length=2)]
    billing_mode: Literal["PROVISIONED", "PAY_PER_REQUEST"] | None = None
    provisioned_throughput: ProvisionedThroughput | None = None


class ListTables(Wire, kw_only=True):
    """A request."""

    exclusive_start_table_name: (
        Annotated[str, matching("[a-zA-Z0-9_.-]+", min_length=3, max_length=255)] | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=100)] | None = None


class TimeToLiveSpecification(Wire, kw_only=True):
    """Whether rows expire, and by which attribute."""

    enabled: bool
    attribute_name: AttributeName


class UpdateTimeToLive(OfTable, kw_only=True):
    """A request."""

    time_to_live_specification: TimeToLiveSpecification
