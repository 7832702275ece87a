"""Clients and queues for the tests. The server's address comes in SLUICE_ENDPOINT, the protocol this
boto3 is expected to speak in SLUICE_PROTOCOL ("json" or "query")."""

import contextlib
import os
import threading
import time
import uuid

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["SLUICE_ENDPOINT"]
PROTOCOL = os.environ["SLUICE_PROTOCOL"]

# Code in the query protocol and in x-amzn-query-error, where it is not the exception's own name.
CODES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    **{
        name: f"AWS.SimpleQueueService.{name}"
        for name in [
            "BatchEntryIdsNotDistinct",
            "BatchRequestTooLong",
            "EmptyBatchRequest",
            "InvalidBatchEntryId",
            "MessageNotInflight",
            "PurgeQueueInProgress",
            "QueueDeletedRecently",
            "TooManyEntriesInBatchRequest",
            "UnsupportedOperation",
        ]
    },
}


def client(access_key="test", region="us-east-1"):
    config = Config(retries={"max_attempts": 0}, read_timeout=30, max_pool_connections=32)
    return boto3.client(
        "sqs",
        endpoint_url=ENDPOINT,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key="test",
        config=config,
    )


@pytest.fixture(scope="session")
def sqs():
    return client()


@pytest.fixture
def new_queue(sqs):
    """Makes queues with names of their own, and deletes them after the test."""
    urls = []

    def make(fifo=False, tags=None, **attributes):
        name = uuid.uuid4().hex + (".fifo" if fifo else "")
        if fifo:
            attributes["FifoQueue"] = "true"
        more = {"tags": tags} if tags else {}
        urls.append(sqs.create_queue(QueueName=name, Attributes=attributes, **more)["QueueUrl"])
        return urls[-1]

    yield make
    for url in urls:
        with contextlib.suppress(sqs.exceptions.QueueDoesNotExist):
            sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def queue(new_queue):
    return new_queue()


@pytest.fixture
def fifo(new_queue):
    return new_queue(fifo=True)


@pytest.fixture
def fails(sqs):
    """with fails("QueueDoesNotExist"): the call must raise that class with that code and status."""
    modelled = {shape.name for shape in sqs.meta.service_model.error_shapes}

    @contextlib.contextmanager
    def check(name, status=400, says=None):
        with pytest.raises(ClientError) as caught:
            yield
        error = caught.value
        expected = getattr(sqs.exceptions, name) if name in modelled else ClientError
        assert type(error) is expected, error.response
        assert error.response["Error"]["Code"] == CODES.get(name, name)
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert error.response["Error"]["Message"]
        if says:
            assert says in error.response["Error"]["Message"]

    return check


def arn_of(sqs, url):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def receive(sqs, url, **more):
    more.setdefault("MaxNumberOfMessages", 10)
    return sqs.receive_message(QueueUrl=url, **more).get("Messages", [])


def receive_all(sqs, url, wanted, seconds=10, **more):
    """Receives until as many as wanted are there."""
    until = time.monotonic() + seconds
    got = []
    while len(got) < wanted and time.monotonic() < until:
        got += receive(sqs, url, WaitTimeSeconds=1, **more)
    assert len(got) == wanted, [message["Body"] for message in got]
    return got


def bodies(messages):
    return [message["Body"] for message in messages]


def counters(sqs, url):
    """(visible, in flight, delayed)"""
    names = ["", "NotVisible", "Delayed"]
    asked = ["ApproximateNumberOfMessages" + name for name in names]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"]
    return tuple(int(found[name]) for name in asked)


class Waiter(threading.Thread):
    """A long poll in the background: what it got, and when."""

    def __init__(self, url, **more):
        super().__init__(daemon=True)
        self.sqs, self.url, self.more = client(), url, more
        self.messages, self.error, self.ended = [], None, None
        self.start()
        time.sleep(0.3)  # so that the poll waits at the server before the test goes on

    def run(self):
        try:
            self.messages = receive(self.sqs, self.url, WaitTimeSeconds=15, **self.more)
        except Exception as error:  # shown by got()
            self.error = error
        self.ended = time.monotonic()

    def got(self, since, within=1.0):
        """The messages, which came no later than `within` seconds after `since`."""
        self.join(20)
        assert self.error is None, self.error
        assert self.ended is not None, "the long poll never came back"
        assert self.messages, "the long poll came back empty"
        assert self.ended - since < within, f"woken {self.ended - since:.3f} s later"
        return self.messages
