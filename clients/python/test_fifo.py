"""FIFO queues: order, groups, deduplication, receive attempts."""

import hashlib
import time

import pytest

from conftest import Waiter, bodies, counters, receive


def send(sqs, url, body, group="g", **more):
    more.setdefault("MessageDeduplicationId", body)
    return sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **more)


def delete(sqs, url, messages):
    entries = [{"Id": str(i), "ReceiptHandle": one["ReceiptHandle"]} for i, one in enumerate(messages)]
    assert "Failed" not in sqs.delete_message_batch(QueueUrl=url, Entries=entries)


def test_order_in_a_group(sqs, fifo):
    numbers = []
    for batch in range(3):
        entries = [
            {"Id": str(i), "MessageBody": f"{batch}{i}", "MessageGroupId": "g", "MessageDeduplicationId": f"{batch}{i}"}
            for i in range(10)
        ]
        sent = sqs.send_message_batch(QueueUrl=fifo, Entries=entries)["Successful"]
        numbers += [int(one["SequenceNumber"]) for one in sent]
    assert numbers == sorted(set(numbers))
    got = []
    while messages := receive(sqs, fifo, AttributeNames=["All"]):
        got += messages
        delete(sqs, fifo, messages)
    assert bodies(got) == [f"{i:02}" for i in range(30)]
    assert [int(one["Attributes"]["SequenceNumber"]) for one in got] == numbers
    assert got[0]["Attributes"]["MessageGroupId"] == "g"
    assert got[0]["Attributes"]["MessageDeduplicationId"] == "00"


def test_a_group_in_flight_is_locked(sqs, fifo):
    for body in "a1", "a2", "a3":
        send(sqs, fifo, body, "a")
    send(sqs, fifo, "b1", "b")
    [first] = receive(sqs, fifo, MaxNumberOfMessages=1)
    assert first["Body"] == "a1"
    assert bodies(receive(sqs, fifo)) == ["b1"]
    assert receive(sqs, fifo) == []
    assert counters(sqs, fifo) == (2, 2, 0)
    waiter = Waiter(fifo)
    since = time.monotonic()
    sqs.delete_message(QueueUrl=fifo, ReceiptHandle=first["ReceiptHandle"])
    assert bodies(waiter.got(since)) == ["a2", "a3"]


def test_a_returned_message_comes_first_again(sqs, fifo):
    for body in "1", "2", "3":
        send(sqs, fifo, body)
    got = receive(sqs, fifo, MaxNumberOfMessages=2)
    assert bodies(got) == ["1", "2"]
    for message in got:
        sqs.change_message_visibility(QueueUrl=fifo, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert bodies(receive(sqs, fifo)) == ["1", "2", "3"]


def test_deduplication_by_id(sqs, fifo):
    first = send(sqs, fifo, "one", MessageDeduplicationId="same")
    again = send(sqs, fifo, "two", MessageDeduplicationId="same")
    assert again["MessageId"] == first["MessageId"]
    assert again["SequenceNumber"] == first["SequenceNumber"]
    [message] = receive(sqs, fifo)
    assert message["Body"] == "one"
    delete(sqs, fifo, [message])
    # The window outlives the message.
    assert send(sqs, fifo, "three", MessageDeduplicationId="same")["MessageId"] == first["MessageId"]
    assert receive(sqs, fifo) == []


def test_deduplication_by_content(sqs, new_queue):
    queue = new_queue(fifo=True, ContentBasedDeduplication="true")
    for body in "x", "x", "y":
        sqs.send_message(QueueUrl=queue, MessageBody=body, MessageGroupId="g")
    got = receive(sqs, queue, AttributeNames=["All"])
    assert bodies(got) == ["x", "y"]
    assert got[0]["Attributes"]["MessageDeduplicationId"] == hashlib.sha256(b"x").hexdigest()


def test_deduplication_per_group(sqs, new_queue):
    queue = new_queue(fifo=True, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    for group in "a", "b", "a":
        send(sqs, queue, group, group, MessageDeduplicationId="same")
    assert sorted(bodies(receive(sqs, queue))) == ["a", "b"]


def test_a_receive_attempt_is_repeated(sqs, fifo):
    for body in "1", "2":
        send(sqs, fifo, body)
    first = receive(sqs, fifo, ReceiveRequestAttemptId="try", AttributeNames=["All"])
    again = receive(sqs, fifo, ReceiveRequestAttemptId="try", AttributeNames=["All"])
    assert bodies(first) == ["1", "2"]
    assert [one["ReceiptHandle"] for one in again] == [one["ReceiptHandle"] for one in first]
    assert receive(sqs, fifo, ReceiveRequestAttemptId="other") == []


def test_what_a_fifo_queue_refuses(sqs, fifo, fails):
    with fails("MissingParameter"):
        sqs.send_message(QueueUrl=fifo, MessageBody="x", MessageDeduplicationId="x")
    with fails("InvalidParameterValue"):
        sqs.send_message(QueueUrl=fifo, MessageBody="x", MessageGroupId="g")
    with fails("InvalidParameterValue"):
        send(sqs, fifo, "x", DelaySeconds=1)
    with fails("InvalidParameterValue"):
        send(sqs, fifo, "x", group="g" * 129)
    with fails("InvalidAttributeValue"):
        sqs.set_queue_attributes(QueueUrl=fifo, Attributes={"FifoQueue": "false"})


def test_a_queues_delay_is_retroactive(sqs, new_queue):
    queue = new_queue(fifo=True, DelaySeconds="900")
    send(sqs, queue, "x")
    assert receive(sqs, queue) == []
    assert counters(sqs, queue) == (0, 0, 1)
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"DelaySeconds": "0"})
    assert bodies(receive(sqs, queue, WaitTimeSeconds=5)) == ["x"]


def test_an_expired_handle(sqs, fifo, fails):
    send(sqs, fifo, "x")
    [message] = receive(sqs, fifo, VisibilityTimeout=1)
    time.sleep(1.3)
    with fails("InvalidParameterValue", says="expired"):
        sqs.delete_message(QueueUrl=fifo, ReceiptHandle=message["ReceiptHandle"])
    assert bodies(receive(sqs, fifo)) == ["x"]


@pytest.mark.parametrize("attributes", [{"FifoQueue": "true"}, {"ContentBasedDeduplication": "true"}])
def test_fifo_attributes_on_a_standard_queue(sqs, queue, fails, attributes):
    with fails("InvalidAttributeName"):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=attributes)


def test_a_fifo_queue_without_the_suffix(sqs, fails):
    with fails("InvalidParameterValue"):
        sqs.create_queue(QueueName="no-suffix", Attributes={"FifoQueue": "true"})
