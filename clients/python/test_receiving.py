"""Receiving: visibility, receipt handles, long polling."""

import time

import pytest

from conftest import Waiter, bodies, counters, receive


def test_visibility_timeout_ends(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    start = time.monotonic()
    [first] = receive(sqs, queue, VisibilityTimeout=2)
    assert receive(sqs, queue) == []
    assert counters(sqs, queue) == (0, 1, 0)
    [second] = receive(sqs, queue, WaitTimeSeconds=10, AttributeNames=["All"])
    assert 1.9 <= time.monotonic() - start < 3.5
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    # The older handle is still accepted.
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"])
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=second["ReceiptHandle"])
    assert counters(sqs, queue) == (0, 0, 0)


def test_visibility_timeout_of_the_queue(sqs, new_queue):
    queue = new_queue(VisibilityTimeout="0")
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    assert len({receive(sqs, queue)[0]["ReceiptHandle"] for _ in range(3)}) == 3


def test_change_visibility(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    [message] = receive(sqs, queue, VisibilityTimeout=60)
    handle = {"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]}
    sqs.change_message_visibility(**handle, VisibilityTimeout=0)
    assert counters(sqs, queue) == (1, 0, 0)
    # The newest handle works on a message that is visible again, and hides it.
    sqs.change_message_visibility(**handle, VisibilityTimeout=60)
    assert receive(sqs, queue) == []
    batch = [{"Id": "a", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}]
    changed = sqs.change_message_visibility_batch(QueueUrl=queue, Entries=batch)
    assert changed["Successful"] == [{"Id": "a"}]
    assert len(receive(sqs, queue)) == 1


def test_change_visibility_of_a_deleted_message(sqs, queue, fails):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    [message] = receive(sqs, queue)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    with fails("InvalidParameterValue", says="does not exist or is not available for visibility timeout change"):
        sqs.change_message_visibility(
            QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60
        )


@pytest.mark.parametrize("timeout", [-1, 43201])
def test_bad_visibility_timeout(sqs, queue, fails, timeout):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    with fails("InvalidParameterValue"):
        sqs.receive_message(QueueUrl=queue, VisibilityTimeout=timeout)
    [message] = receive(sqs, queue)
    with fails("InvalidParameterValue"):
        sqs.change_message_visibility(
            QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=timeout
        )


def test_nonsense_for_a_receipt_handle(sqs, queue, fails):
    with fails("ReceiptHandleIsInvalid", status=404):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle="nonsense")
    with fails("ReceiptHandleIsInvalid", status=404):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle="nonsense", VisibilityTimeout=0)
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    [message] = receive(sqs, queue)
    good = message["ReceiptHandle"]
    forged = ("B" if good[0] == "A" else "A") + good[1:]
    with fails("ReceiptHandleIsInvalid", status=404):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=forged)
    assert counters(sqs, queue) == (0, 1, 0)


def test_number_of_messages(sqs, queue, fails):
    for batch in range(3):
        entries = [{"Id": str(i), "MessageBody": f"{batch}-{i}"} for i in range(10)]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert len(sqs.receive_message(QueueUrl=queue)["Messages"]) == 1
    assert len(receive(sqs, queue, MaxNumberOfMessages=7)) == 7
    assert len(receive(sqs, queue, MaxNumberOfMessages=10)) == 10
    assert counters(sqs, queue) == (12, 18, 0)
    for number in 0, 11:
        with fails("InvalidParameterValue"):
            sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=number)
    with fails("InvalidParameterValue"):
        sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=21)


def test_short_poll_of_an_empty_queue(sqs, queue):
    start = time.monotonic()
    reply = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0)
    assert "Messages" not in reply
    assert time.monotonic() - start < 0.5


def test_long_poll_of_an_empty_queue(sqs, new_queue):
    for queue, wait in [(new_queue(), {"WaitTimeSeconds": 1}), (new_queue(ReceiveMessageWaitTimeSeconds="1"), {})]:
        start = time.monotonic()
        assert receive(sqs, queue, **wait) == []
        assert 0.95 <= time.monotonic() - start < 2.5
        assert receive(sqs, queue, WaitTimeSeconds=0) == []


def test_a_send_wakes(sqs, queue):
    waiter = Waiter(queue)
    since = time.monotonic()
    sqs.send_message(QueueUrl=queue, MessageBody="wake")
    assert bodies(waiter.got(since)) == ["wake"]


def test_visibility_set_to_zero_wakes(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="again")
    [message] = receive(sqs, queue, VisibilityTimeout=600)
    waiter = Waiter(queue)
    since = time.monotonic()
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert bodies(waiter.got(since)) == ["again"]


def test_the_end_of_a_delay_wakes(sqs, queue):
    waiter = Waiter(queue)
    since = time.monotonic()
    sqs.send_message(QueueUrl=queue, MessageBody="late", DelaySeconds=2)
    assert bodies(waiter.got(since + 2)) == ["late"]
    assert waiter.ended - since > 1.9


def test_each_of_several_waiters_gets_its_own(sqs, queue):
    waiters = [Waiter(queue, MaxNumberOfMessages=1) for _ in range(5)]
    since = time.monotonic()
    for i in range(5):
        sqs.send_message(QueueUrl=queue, MessageBody=str(i))
    got = [bodies(waiter.got(since, within=2)) for waiter in waiters]
    assert sorted(got) == [[str(i)] for i in range(5)]


def test_delete_queue_ends_a_long_poll(sqs, queue):
    waiter = Waiter(queue)
    since = time.monotonic()
    sqs.delete_queue(QueueUrl=queue)
    waiter.join(20)
    assert waiter.ended - since < 2
    assert isinstance(waiter.error, waiter.sqs.exceptions.QueueDoesNotExist) or waiter.messages == []


def test_a_handle_of_another_queue(sqs, new_queue, fails):
    queue, other = new_queue(), new_queue()
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    [message] = receive(sqs, queue)
    with fails("ReceiptHandleIsInvalid", status=404):
        sqs.delete_message(QueueUrl=other, ReceiptHandle=message["ReceiptHandle"])
    assert counters(sqs, queue) == (0, 1, 0)
