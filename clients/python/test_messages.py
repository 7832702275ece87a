"""Messages: what is sent comes back the same; sizes, characters, attributes, batches."""

import hashlib
import time
import uuid

import pytest

from conftest import PROTOCOL, bodies, counters, receive, receive_all

# Over every range of characters that SQS allows, and what XML and JSON must escape.
AWKWARD = "\t tab \n newline \r return <&>\"' \\ é 漢字 \ud7ff \ue000 \ufffd \U00010000 \U0010ffff ]]> end"

ATTRIBUTES = {
    "color": {"DataType": "String", "StringValue": "blue"},
    "count": {"DataType": "Number", "StringValue": "3"},
    "blob": {"DataType": "Binary", "BinaryValue": b"\x01\x02\x03"},
}
# As AWS answered for these three.
ATTRIBUTES_MD5 = "d838729972a4b70e2d2acd9d59ac847c"


def test_send_receive_delete(sqs, queue):
    sent = sqs.send_message(QueueUrl=queue, MessageBody="hello")
    assert sent["MD5OfMessageBody"] == hashlib.md5(b"hello").hexdigest()
    assert str(uuid.UUID(sent["MessageId"])) == sent["MessageId"]
    assert "SequenceNumber" not in sent
    [message] = receive(sqs, queue)
    assert message["Body"] == "hello"
    assert message["MessageId"] == sent["MessageId"]
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert "Attributes" not in message and "MessageAttributes" not in message
    assert len(message["ReceiptHandle"]) <= 1024
    assert counters(sqs, queue) == (0, 1, 0)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert counters(sqs, queue) == (0, 0, 0)


@pytest.mark.parametrize("body", [AWKWARD, " ", "\r\n", "x" * 262144, "é" * 131072])
def test_bodies_come_back_the_same(sqs, queue, body):
    sqs.send_message(QueueUrl=queue, MessageBody=body)
    [message] = receive(sqs, queue)
    assert message["Body"] == body
    assert message["MD5OfBody"] == hashlib.md5(body.encode()).hexdigest()


def test_message_attributes(sqs, queue):
    more = {
        "label": {"DataType": "String.json", "StringValue": AWKWARD},
        "precise": {"DataType": "Number.decimal", "StringValue": "-1.5e-3"},
        "bytes.all": {"DataType": "Binary.gif", "BinaryValue": bytes(range(256))},
    }
    sent = sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes={**ATTRIBUTES, **more})
    [message] = receive(sqs, queue, MessageAttributeNames=["All"])
    assert message["MessageAttributes"] == {**ATTRIBUTES, **more}
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]


def test_md5_of_attributes_is_awss(sqs, queue):
    sent = sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=ATTRIBUTES)
    assert sent["MD5OfMessageAttributes"] == ATTRIBUTES_MD5


@pytest.mark.parametrize(
    "names, expected",
    [
        ([], set()),
        (["All"], {"blob", "color", "count"}),
        ([".*"], {"blob", "color", "count"}),
        (["co.*"], {"color", "count"}),
        (["color"], {"color"}),
        (["color", "blob"], {"blob", "color"}),
        (["size"], set()),
    ],
)
def test_attribute_filters(sqs, queue, names, expected):
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=ATTRIBUTES)
    [message] = receive(sqs, queue, MessageAttributeNames=names)
    assert set(message.get("MessageAttributes", {})) == expected
    assert ("MD5OfMessageAttributes" in message) == bool(expected)
    if len(expected) == 3:
        assert message["MD5OfMessageAttributes"] == ATTRIBUTES_MD5


def test_system_attributes(sqs, queue):
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    sent = sqs.send_message(
        QueueUrl=queue,
        MessageBody="x",
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": trace}},
    )
    assert sent["MD5OfMessageSystemAttributes"]
    now = time.time() * 1000
    [message] = receive(sqs, queue, AttributeNames=["All"])
    found = message["Attributes"]
    assert found["AWSTraceHeader"] == trace
    assert found["ApproximateReceiveCount"] == "1"
    assert abs(int(found["SentTimestamp"]) - now) < 5000
    assert abs(int(found["ApproximateFirstReceiveTimestamp"]) - now) < 5000
    assert found["SenderId"]
    assert "MD5OfMessageAttributes" not in message


if PROTOCOL == "json":  # boto3 1.26 is older than the parameter

    def test_new_name_of_the_system_attributes_parameter(sqs, queue):
        sqs.send_message(QueueUrl=queue, MessageBody="x")
        names = {"MessageSystemAttributeNames": ["SenderId"], "AttributeNames": ["SentTimestamp"]}
        [message] = receive(sqs, queue, **names)
        assert set(message["Attributes"]) == {"SenderId", "SentTimestamp"}


def test_group_on_a_standard_queue(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId="tenant-1")
    [message] = receive(sqs, queue, AttributeNames=["All"])
    assert message["Attributes"]["MessageGroupId"] == "tenant-1"


@pytest.mark.parametrize("body", ["\x00", "a\x0bb", "\ufffe", "\uffff"])
def test_characters_not_allowed(sqs, queue, fails, body):
    with fails("InvalidMessageContents"):
        sqs.send_message(QueueUrl=queue, MessageBody=body)


def test_size_limits(sqs, new_queue, fails):
    small = new_queue(MaximumMessageSize="1024")
    sqs.send_message(QueueUrl=small, MessageBody="x" * 1024)
    with fails("InvalidParameterValue"):
        sqs.send_message(QueueUrl=small, MessageBody="x" * 1025)
    # Name, type and value of an attribute count.
    tag = {"n": {"DataType": "String", "StringValue": "v"}}
    sqs.send_message(QueueUrl=small, MessageBody="x" * (1024 - 8), MessageAttributes=tag)
    with fails("InvalidParameterValue"):
        sqs.send_message(QueueUrl=small, MessageBody="x" * (1024 - 7), MessageAttributes=tag)
    large = new_queue(MaximumMessageSize="1048576")
    sqs.send_message(QueueUrl=large, MessageBody="y" * 1048576)
    assert bodies(receive(sqs, large)) == ["y" * 1048576]


@pytest.mark.parametrize(
    "name, value",
    [
        ("AWS.color", {"DataType": "String", "StringValue": "x"}),
        ("amazon.color", {"DataType": "String", "StringValue": "x"}),
        (".color", {"DataType": "String", "StringValue": "x"}),
        ("color.", {"DataType": "String", "StringValue": "x"}),
        ("co..lor", {"DataType": "String", "StringValue": "x"}),
        ("co lor", {"DataType": "String", "StringValue": "x"}),
        ("n" * 257, {"DataType": "String", "StringValue": "x"}),
        ("color", {"DataType": "Text", "StringValue": "x"}),
        ("color", {"DataType": "String", "StringValue": ""}),
        ("color", {"DataType": "String"}),
        ("color", {"DataType": "Binary", "StringValue": "x"}),
        ("count", {"DataType": "Number", "StringValue": "many"}),
        ("count", {"DataType": "Number", "StringValue": "1" * 39}),
        ("count", {"DataType": "Number", "StringValue": "1e127"}),
    ],
)
def test_bad_message_attributes(sqs, queue, fails, name, value):
    with fails("InvalidParameterValue"):
        sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes={name: value})


def test_more_than_ten_attributes(sqs, queue, fails):
    many = {f"a{i}": {"DataType": "String", "StringValue": "x"} for i in range(11)}
    with fails("InvalidParameterValue"):
        sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=many)
    del many["a0"]
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=many)


def test_empty_body(sqs, queue, fails):
    with fails("MissingParameter"):
        sqs.send_message(QueueUrl=queue, MessageBody="")


def entries(count, **more):
    return [{"Id": f"id-{i}", "MessageBody": f"body-{i}", **more} for i in range(count)]


def test_batch(sqs, queue):
    batch = entries(10, MessageAttributes=ATTRIBUTES)
    sent = sqs.send_message_batch(QueueUrl=queue, Entries=batch)
    assert "Failed" not in sent
    assert [one["Id"] for one in sent["Successful"]] == [one["Id"] for one in batch]
    assert all(one["MD5OfMessageAttributes"] == ATTRIBUTES_MD5 for one in sent["Successful"])
    got = receive_all(sqs, queue, 10)
    assert {one["MessageId"] for one in got} == {one["MessageId"] for one in sent["Successful"]}
    assert sorted(bodies(got)) == sorted(one["MessageBody"] for one in batch)
    doomed = [{"Id": str(i), "ReceiptHandle": one["ReceiptHandle"]} for i, one in enumerate(got)]
    deleted = sqs.delete_message_batch(QueueUrl=queue, Entries=doomed)
    assert len(deleted["Successful"]) == 10 and "Failed" not in deleted
    assert counters(sqs, queue) == (0, 0, 0)


def test_batch_in_which_some_fail(sqs, queue):
    batch = [
        {"Id": "good", "MessageBody": "good"},
        {"Id": "late", "MessageBody": "x", "DelaySeconds": 901},
        {"Id": "character", "MessageBody": "\x00"},
        {"Id": "attribute", "MessageBody": "x", "MessageAttributes": {"aws.x": ATTRIBUTES["color"]}},
    ]
    sent = sqs.send_message_batch(QueueUrl=queue, Entries=batch)
    assert [one["Id"] for one in sent["Successful"]] == ["good"]
    failed = {one["Id"]: one for one in sent["Failed"]}
    assert {id: one["Code"] for id, one in failed.items()} == {
        "late": "InvalidParameterValue",
        "character": "InvalidMessageContents",
        "attribute": "InvalidParameterValue",
    }
    assert all(one["SenderFault"] is True and one["Message"] for one in failed.values())
    [message] = receive(sqs, queue)
    doomed = [
        {"Id": "right", "ReceiptHandle": message["ReceiptHandle"]},
        {"Id": "wrong", "ReceiptHandle": "nonsense"},
    ]
    changed = sqs.change_message_visibility_batch(
        QueueUrl=queue, Entries=[{**one, "VisibilityTimeout": 60} for one in doomed]
    )
    deleted = sqs.delete_message_batch(QueueUrl=queue, Entries=doomed)
    for result in changed, deleted:
        assert [one["Id"] for one in result["Successful"]] == ["right"]
        [failure] = result["Failed"]
        assert (failure["Id"], failure["Code"]) == ("wrong", "ReceiptHandleIsInvalid")
        assert failure["SenderFault"] is True


def test_batches_that_fail_whole(sqs, new_queue, fails):
    queue = new_queue(MaximumMessageSize="1048576")
    one = entries(1)[0]
    wrong = {
        "EmptyBatchRequest": [],
        "TooManyEntriesInBatchRequest": entries(11),
        "BatchEntryIdsNotDistinct": [one, one],
        "InvalidBatchEntryId": [{**one, "Id": "not an id"}],
        "BatchRequestTooLong": [{**one, "Id": str(i), "MessageBody": "x" * 600_000} for i in range(2)],
    }
    for name, batch in wrong.items():
        with fails(name):
            sqs.send_message_batch(QueueUrl=queue, Entries=batch)
    assert counters(sqs, queue) == (0, 0, 0)


def test_batches_by_handle_that_fail_whole(sqs, queue, fails):
    one = {"Id": "a", "ReceiptHandle": "nonsense"}
    wrong = {
        "EmptyBatchRequest": [],
        "TooManyEntriesInBatchRequest": [{**one, "Id": str(i)} for i in range(11)],
        "BatchEntryIdsNotDistinct": [one, one],
        "InvalidBatchEntryId": [{**one, "Id": "not an id"}],
    }
    for name, batch in wrong.items():
        with fails(name):
            sqs.delete_message_batch(QueueUrl=queue, Entries=batch)
        with fails(name):
            hidden = [{**one, "VisibilityTimeout": 1} for one in batch]
            sqs.change_message_visibility_batch(QueueUrl=queue, Entries=hidden)


def test_delay_of_a_message_and_of_a_queue(sqs, new_queue):
    queue = new_queue(DelaySeconds="60")
    sqs.send_message(QueueUrl=queue, MessageBody="by queue")
    sqs.send_message(QueueUrl=queue, MessageBody="at once", DelaySeconds=0)
    start = time.monotonic()
    sqs.send_message(QueueUrl=queue, MessageBody="soon", DelaySeconds=2)
    assert counters(sqs, queue) == (1, 0, 2)
    assert bodies(receive(sqs, queue)) == ["at once"]
    assert bodies(receive(sqs, queue, WaitTimeSeconds=10)) == ["soon"]
    assert 2 <= time.monotonic() - start < 5
    assert counters(sqs, queue) == (0, 2, 1)


@pytest.mark.parametrize("delay", [-1, 901])
def test_bad_delay(sqs, queue, fails, delay):
    with fails("InvalidParameterValue"):
        sqs.send_message(QueueUrl=queue, MessageBody="x", DelaySeconds=delay)


def test_deduplication_id_on_a_standard_queue(sqs, queue, fails):
    with fails("InvalidParameterValue"):
        sqs.send_message(QueueUrl=queue, MessageBody="x", MessageDeduplicationId="d")


def test_list_values_are_not_supported(sqs, queue, fails):
    several = {"a": {"DataType": "String", "StringValue": "x", "StringListValues": ["y"]}}
    with fails("UnsupportedOperation"):
        sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=several)


@pytest.mark.parametrize(
    "attribute",
    [
        {"Colour": {"DataType": "String", "StringValue": "x"}},
        {"AWSTraceHeader": {"DataType": "Number", "StringValue": "1"}},
    ],
)
def test_bad_system_attributes(sqs, queue, fails, attribute):
    with fails("InvalidParameterValue"):
        sqs.send_message(QueueUrl=queue, MessageBody="x", MessageSystemAttributes=attribute)
