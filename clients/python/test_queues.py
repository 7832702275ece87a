"""Queues: create, find, list, attributes, tags, permissions, purge, delete."""

import json
import time
import uuid

import pytest

from conftest import ENDPOINT, PROTOCOL, arn_of, counters, receive


def test_this_client_speaks_the_expected_protocol(sqs):
    assert sqs.meta.service_model.metadata["protocol"] == PROTOCOL


def test_create_and_find(sqs, new_queue):
    url = new_queue()
    name = url.rsplit("/", 1)[1]
    assert url == f"{ENDPOINT}/000000000000/{name}"
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    assert arn_of(sqs, url) == f"arn:aws:sqs:us-east-1:000000000000:{name}"


def test_create_again(sqs, new_queue, fails):
    url = new_queue(VisibilityTimeout="40", DelaySeconds="3")
    name = url.rsplit("/", 1)[1]
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == url
    assert sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "3"})["QueueUrl"] == url
    with fails("QueueNameExists", says="VisibilityTimeout"):
        sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "41"})


@pytest.mark.parametrize("name", ["has space", "a" * 81, "dot.ted", "ümlaut", "x.fifo"])
def test_bad_names(sqs, fails, name):
    with fails("InvalidParameterValue"):
        sqs.create_queue(QueueName=name)


def test_longest_name(sqs):
    name = uuid.uuid4().hex.ljust(80, "x")
    sqs.delete_queue(QueueUrl=sqs.create_queue(QueueName=name)["QueueUrl"])


def test_missing_queue(sqs, fails):
    with fails("QueueDoesNotExist"):
        sqs.get_queue_url(QueueName="never-made")
    for call in [sqs.send_message, sqs.receive_message, sqs.purge_queue, sqs.delete_queue]:
        more = {"MessageBody": "x"} if call == sqs.send_message else {}
        with fails("QueueDoesNotExist"):
            call(QueueUrl=f"{ENDPOINT}/000000000000/never-made", **more)


def test_list(sqs):
    prefix = uuid.uuid4().hex
    made = sorted(sqs.create_queue(QueueName=f"{prefix}-{i}")["QueueUrl"] for i in range(5))
    assert sorted(sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"]) == made
    first = sqs.list_queues(QueueNamePrefix=prefix, MaxResults=3)
    assert len(first["QueueUrls"]) == 3
    rest = sqs.list_queues(QueueNamePrefix=prefix, MaxResults=3, NextToken=first["NextToken"])
    assert sorted(first["QueueUrls"] + rest["QueueUrls"]) == made
    assert not rest.get("NextToken")
    pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix=prefix, PaginationConfig={"PageSize": 2})
    assert sorted(url for page in pages for url in page["QueueUrls"]) == made
    for url in made:
        sqs.delete_queue(QueueUrl=url)
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix=prefix)


def test_attributes_of_a_new_queue(sqs, queue):
    before = int(time.time())
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert abs(int(found.pop("CreatedTimestamp")) - before) <= 5
    assert abs(int(found.pop("LastModifiedTimestamp")) - before) <= 5
    assert found.pop("QueueArn").endswith(queue.rsplit("/", 1)[1])
    assert found == {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "DelaySeconds": "0",
        "MaximumMessageSize": "262144",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "VisibilityTimeout": "30",
    }


def test_attributes_of_a_new_fifo_queue(sqs, fifo):
    found = sqs.get_queue_attributes(QueueUrl=fifo, AttributeNames=["All"])["Attributes"]
    assert found["FifoQueue"] == "true"
    assert found["ContentBasedDeduplication"] == "false"
    assert found["DeduplicationScope"] == "queue"
    assert found["FifoThroughputLimit"] == "perQueue"


def test_set_attributes(sqs, queue):
    wanted = {
        "DelaySeconds": "5",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "60",
        "ReceiveMessageWaitTimeSeconds": "20",
        "VisibilityTimeout": "43200",
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=wanted)
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=list(wanted))["Attributes"]
    assert found == wanted
    one = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["DelaySeconds"])["Attributes"]
    assert one == {"DelaySeconds": "5"}
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=queue)


@pytest.mark.parametrize(
    "name, value",
    [
        ("VisibilityTimeout", "43201"),
        ("VisibilityTimeout", "-1"),
        ("VisibilityTimeout", "soon"),
        ("DelaySeconds", "901"),
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("MessageRetentionPeriod", "59"),
        ("MessageRetentionPeriod", "1209601"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("RedrivePolicy", "not json"),
        ("Policy", "not json"),
    ],
)
def test_bad_attribute_values(sqs, queue, fails, name, value):
    with fails("InvalidAttributeValue"):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={name: value})


def test_bad_attribute_names(sqs, queue, fails):
    with fails("InvalidAttributeName"):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Colour": "blue"})
    with fails("InvalidAttributeName"):
        sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Colour"])
    with fails("InvalidAttributeName"):
        sqs.create_queue(QueueName=uuid.uuid4().hex, Attributes={"FifoQueue": "false"})


def test_tags(sqs, new_queue):
    url = new_queue(tags={"team": "billing", "stage": "test"})
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "billing", "stage": "test"}
    sqs.tag_queue(QueueUrl=url, Tags={"stage": "production", "größe": "groß"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["team", "never-set"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"stage": "production", "größe": "groß"}
    sqs.untag_queue(QueueUrl=url, TagKeys=["stage", "größe"])
    assert not sqs.list_queue_tags(QueueUrl=url).get("Tags")


def policy_of(sqs, url):
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
    return json.loads(found["Policy"]) if "Policy" in found else None


def test_permissions(sqs, queue, fails):
    sqs.add_permission(
        QueueUrl=queue, Label="partner", AWSAccountIds=["123456789012"], Actions=["SendMessage", "ReceiveMessage"]
    )
    [statement] = policy_of(sqs, queue)["Statement"]
    assert statement["Sid"] == "partner"
    assert statement["Effect"] == "Allow"
    assert "123456789012" in json.dumps(statement["Principal"])
    assert statement["Action"] == ["SQS:SendMessage", "SQS:ReceiveMessage"]
    assert statement["Resource"] == arn_of(sqs, queue)
    with fails("InvalidParameterValue"):
        sqs.add_permission(QueueUrl=queue, Label="partner", AWSAccountIds=["123456789012"], Actions=["*"])
    with fails("InvalidParameterValue"):
        sqs.remove_permission(QueueUrl=queue, Label="nobody")
    sqs.remove_permission(QueueUrl=queue, Label="partner")
    assert not (policy_of(sqs, queue) or {}).get("Statement")


def test_policy_is_kept_and_removed(sqs, queue):
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "sns",
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn_of(sqs, queue),
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    assert policy_of(sqs, queue) == policy
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    assert policy_of(sqs, queue) is None


def test_purge(sqs, queue, fails):
    for i in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody=str(i))
    receive(sqs, queue, MaxNumberOfMessages=1)
    sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=60)
    sqs.purge_queue(QueueUrl=queue)
    assert counters(sqs, queue) == (0, 0, 0)
    assert receive(sqs, queue) == []
    with fails("PurgeQueueInProgress", status=403):
        sqs.purge_queue(QueueUrl=queue)
    sqs.send_message(QueueUrl=queue, MessageBody="after")
    [message] = receive(sqs, queue, WaitTimeSeconds=5)
    assert message["Body"] == "after"


def test_delete_queue(sqs, queue, fails):
    name = queue.rsplit("/", 1)[1]
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    sqs.delete_queue(QueueUrl=queue)
    with fails("QueueDoesNotExist"):
        sqs.receive_message(QueueUrl=queue)
    with fails("QueueDoesNotExist"):
        sqs.get_queue_url(QueueName=name)
    with fails("QueueDeletedRecently"):
        sqs.create_queue(QueueName=name)


def test_encryption_attributes_are_kept(sqs, queue, fails):
    def found():
        names = ["KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"]
        return sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names).get("Attributes", {})

    kms = {"KmsMasterKeyId": "alias/aws/sqs", "KmsDataKeyReusePeriodSeconds": "600"}
    with fails("InvalidAttributeValue"):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={**kms, "SqsManagedSseEnabled": "true"})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=kms)
    assert found() == {**kms, "SqsManagedSseEnabled": "false"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"})
    assert found() == {"SqsManagedSseEnabled": "true"}


def test_tag_limits(sqs, queue, fails):
    with fails("InvalidParameterValue"):
        sqs.tag_queue(QueueUrl=queue, Tags={"aws:team": "x"})
    with fails("InvalidParameterValue"):
        sqs.tag_queue(QueueUrl=queue, Tags={"k" * 129: "x"})
    with fails("InvalidParameterValue"):
        sqs.tag_queue(QueueUrl=queue, Tags={"k": "x" * 257})
    sqs.tag_queue(QueueUrl=queue, Tags={"k" * 128: "", "a_b.c:d/e=f+g-h@i j": "x" * 256})
    assert len(sqs.list_queue_tags(QueueUrl=queue)["Tags"]) == 2
