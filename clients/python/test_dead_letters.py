"""Dead letters: redrive by receive count, policies, move tasks."""

import json
import time

import pytest

from conftest import Waiter, arn_of, bodies, counters, receive


def policy(arn, count=1):
    return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": count})


@pytest.fixture
def pair(sqs, new_queue):
    """(source, its dead letter queue), moved after one receive."""
    dead = new_queue()
    return new_queue(VisibilityTimeout="0", RedrivePolicy=policy(arn_of(sqs, dead))), dead


def fail_once(sqs, url, wanted=1):
    """Receives all messages and gives them back: the next receive moves them."""
    got = []
    while len(got) < wanted:
        messages = receive(sqs, url, VisibilityTimeout=5, WaitTimeSeconds=2)
        assert messages
        got += messages
    for message in got:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    return got


def dead_are(sqs, source, dead, wanted):
    """Receives from the source, which moves the dead, until so many are in the dead letter queue."""
    until = time.monotonic() + 10
    while counters(sqs, dead)[0] < wanted and time.monotonic() < until:
        assert receive(sqs, source) == []
    assert counters(sqs, dead)[0] == wanted


def kill(sqs, source, dead, wanted=1, already=0):
    """Lets so many messages of the source die; returns them as first received."""
    first = fail_once(sqs, source, wanted)
    dead_are(sqs, source, dead, already + wanted)
    return first


def test_a_message_received_too_often_moves(sqs, pair):
    source, dead = pair
    attributes = {"color": {"DataType": "String", "StringValue": "blue"}}
    sent = sqs.send_message(QueueUrl=source, MessageBody="poison", MessageAttributes=attributes)
    [first] = receive(sqs, source, AttributeNames=["All"])
    waiter = Waiter(dead, AttributeNames=["All"], MessageAttributeNames=["All"])
    since = time.monotonic()
    assert receive(sqs, source) == []
    [message] = waiter.got(since)
    assert message["Body"] == "poison"
    assert message["MessageId"] == sent["MessageId"]
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"
    assert message["Attributes"]["SentTimestamp"] == first["Attributes"]["SentTimestamp"]
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == arn_of(sqs, source)
    assert counters(sqs, source) == (0, 0, 0)
    assert counters(sqs, dead) == (0, 1, 0)


def test_max_receive_count(sqs, new_queue):
    dead = new_queue()
    source = new_queue(VisibilityTimeout="0", RedrivePolicy=policy(arn_of(sqs, dead), "3"))
    found = sqs.get_queue_attributes(QueueUrl=source, AttributeNames=["RedrivePolicy"])["Attributes"]
    assert json.loads(found["RedrivePolicy"]) == {"deadLetterTargetArn": arn_of(sqs, dead), "maxReceiveCount": 3}
    sqs.send_message(QueueUrl=source, MessageBody="x")
    assert [len(receive(sqs, source)) for _ in range(4)] == [1, 1, 1, 0]
    assert len(receive(sqs, dead, WaitTimeSeconds=5)) == 1


def test_list_sources(sqs, new_queue):
    dead = new_queue()
    sources = sorted(new_queue(RedrivePolicy=policy(arn_of(sqs, dead))) for _ in range(3))
    assert sorted(sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"]) == sources
    first = sqs.list_dead_letter_source_queues(QueueUrl=dead, MaxResults=2)
    rest = sqs.list_dead_letter_source_queues(QueueUrl=dead, MaxResults=2, NextToken=first["NextToken"])
    assert sorted(first["queueUrls"] + rest["queueUrls"]) == sources
    sqs.set_queue_attributes(QueueUrl=sources[0], Attributes={"RedrivePolicy": ""})
    assert sorted(sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"]) == sources[1:]


def test_redrive_policies_that_are_refused(sqs, new_queue, fails):
    source, fifo = new_queue(), new_queue(fifo=True)
    closed = new_queue(RedriveAllowPolicy='{"redrivePermission":"denyAll"}')
    missing = arn_of(sqs, source) + "-missing"
    for target in missing, arn_of(sqs, fifo), arn_of(sqs, closed):
        with fails("InvalidParameterValue"):
            sqs.set_queue_attributes(QueueUrl=source, Attributes={"RedrivePolicy": policy(target)})
    with fails("InvalidParameterValue"):
        sqs.set_queue_attributes(QueueUrl=source, Attributes={"RedrivePolicy": policy(arn_of(sqs, source), 0)})


def test_redrive_allow_policy_by_queue(sqs, new_queue, fails):
    one, other = new_queue(), new_queue()
    allow = json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [arn_of(sqs, one)]})
    dead = new_queue(RedriveAllowPolicy=allow)
    found = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["RedriveAllowPolicy"])["Attributes"]
    assert json.loads(found["RedriveAllowPolicy"]) == json.loads(allow)
    sqs.set_queue_attributes(QueueUrl=one, Attributes={"RedrivePolicy": policy(arn_of(sqs, dead))})
    with fails("InvalidParameterValue"):
        sqs.set_queue_attributes(QueueUrl=other, Attributes={"RedrivePolicy": policy(arn_of(sqs, dead))})


def tasks(sqs, arn):
    return sqs.list_message_move_tasks(SourceArn=arn, MaxResults=10).get("Results", [])


def ended(sqs, arn, seconds=10):
    until = time.monotonic() + seconds
    while (task := tasks(sqs, arn)[0])["Status"] in ("RUNNING", "CANCELLING"):
        assert time.monotonic() < until, task
        time.sleep(0.1)
    return task


def test_move_task_back_to_the_source(sqs, pair):
    source, dead = pair
    sqs.send_message(QueueUrl=source, MessageBody="poison")
    [first] = kill(sqs, source, dead)
    waiter = Waiter(source, AttributeNames=["All"], VisibilityTimeout=60)
    since = time.monotonic()
    started = sqs.start_message_move_task(SourceArn=arn_of(sqs, dead))
    assert started["TaskHandle"]
    [message] = waiter.got(since, within=3)
    assert message["Body"] == "poison"
    assert message["MessageId"] != first["MessageId"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    task = ended(sqs, arn_of(sqs, dead))
    assert task["Status"] == "COMPLETED"
    assert task["SourceArn"] == arn_of(sqs, dead)
    assert task["ApproximateNumberOfMessagesMoved"] == 1
    assert abs(task["StartedTimestamp"] / 1000 - time.time()) < 30
    assert "TaskHandle" not in task
    assert counters(sqs, dead) == (0, 0, 0)


def test_move_task_to_several_sources(sqs, new_queue):
    dead = new_queue()
    sources = [new_queue(VisibilityTimeout="0", RedrivePolicy=policy(arn_of(sqs, dead))) for _ in range(2)]
    for i, source in enumerate(sources):
        sqs.send_message(QueueUrl=source, MessageBody=f"of {i}")
        kill(sqs, source, dead, already=i)
    sqs.start_message_move_task(SourceArn=arn_of(sqs, dead))
    for i, source in enumerate(sources):
        assert bodies(receive(sqs, source, WaitTimeSeconds=5, VisibilityTimeout=60)) == [f"of {i}"]
    assert ended(sqs, arn_of(sqs, dead))["ApproximateNumberOfMessagesMoved"] == 2


def test_cancel_a_move_task(sqs, pair, new_queue, fails):
    source, dead = pair
    target = new_queue()
    sqs.send_message_batch(QueueUrl=source, Entries=[{"Id": str(i), "MessageBody": str(i)} for i in range(10)])
    kill(sqs, source, dead, 10)
    arn = arn_of(sqs, dead)
    started = sqs.start_message_move_task(
        SourceArn=arn, DestinationArn=arn_of(sqs, target), MaxNumberOfMessagesPerSecond=1
    )
    [task] = tasks(sqs, arn)
    assert task["Status"] == "RUNNING"
    assert task["TaskHandle"] == started["TaskHandle"]
    assert task["DestinationArn"] == arn_of(sqs, target)
    assert task["MaxNumberOfMessagesPerSecond"] == 1
    with fails("InvalidParameterValue"):
        sqs.start_message_move_task(SourceArn=arn)
    assert len(receive(sqs, target, WaitTimeSeconds=5, MaxNumberOfMessages=1)) == 1
    cancelled = sqs.cancel_message_move_task(TaskHandle=started["TaskHandle"])
    assert 1 <= cancelled["ApproximateNumberOfMessagesMoved"] < 5
    assert ended(sqs, arn)["Status"] == "CANCELLED"
    moved = sum(counters(sqs, target))
    assert moved + sum(counters(sqs, dead)) == 10
    with fails("ResourceNotFoundException", status=404):
        sqs.cancel_message_move_task(TaskHandle=started["TaskHandle"])


def test_move_tasks_that_are_refused(sqs, queue, fails):
    arn = arn_of(sqs, queue)
    with fails("ResourceNotFoundException", status=404):
        sqs.start_message_move_task(SourceArn=arn + "-missing")
    with fails("InvalidParameterValue"):
        sqs.start_message_move_task(SourceArn=arn)  # no queue's dead letter queue
    with fails("ResourceNotFoundException", status=404):
        sqs.cancel_message_move_task(TaskHandle="nonsense")


def test_fifo_dead_letters(sqs, new_queue):
    dead = new_queue(fifo=True)
    source = new_queue(fifo=True, RedrivePolicy=policy(arn_of(sqs, dead)))
    for i in range(3):
        sqs.send_message(QueueUrl=source, MessageBody=str(i), MessageGroupId="g", MessageDeduplicationId=str(i))
    first = kill(sqs, source, dead, 3)
    got = receive(sqs, dead, AttributeNames=["All"])
    assert bodies(got) == ["0", "1", "2"]
    assert [one["MessageId"] for one in got] == [one["MessageId"] for one in first]
    assert [one["Attributes"]["MessageDeduplicationId"] for one in got] == [one["MessageId"] for one in first]


def test_a_queue_may_be_its_own_dead_letter_queue(sqs, queue):
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy(arn_of(sqs, queue))})
    assert sqs.list_dead_letter_source_queues(QueueUrl=queue)["queueUrls"] == [queue]
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    [first] = receive(sqs, queue, VisibilityTimeout=0)
    [again] = receive(sqs, queue, VisibilityTimeout=30, WaitTimeSeconds=5)
    assert again["MessageId"] == first["MessageId"]
