"""What no client library shows or sends: the two protocols as bytes, paths, headers, hosts."""

import http.client
import json
import socket
import time
import urllib.parse
import uuid
import xml.etree.ElementTree as ET

import pytest

from conftest import ENDPOINT, arn_of, client, counters, receive

ADDRESS = urllib.parse.urlsplit(ENDPOINT).netloc
JSON = "application/x-amz-json-1.0"
FORM = "application/x-www-form-urlencoded"
XMLNS = "{http://queue.amazonaws.com/doc/2012-11-05/}"


def http_call(method, path, body=b"", **headers):
    connection = http.client.HTTPConnection(ADDRESS, timeout=30)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply.status, reply.headers, text


def json_call(action, members, path="/", **headers):
    body = members if isinstance(members, bytes) else json.dumps(members).encode()
    headers = {"Content-Type": JSON, "X-Amz-Target": f"AmazonSQS.{action}", **headers}
    return http_call("POST", path, body, **headers)


def query_call(action, path="/", method="POST", headers=None, **members):
    form = urllib.parse.urlencode({"Action": action, "Version": "2012-11-05", **members})
    if method == "GET":
        return http_call("GET", f"{path}?{form}", **(headers or {}))
    return http_call("POST", path, form.encode(), Content_Type=FORM, **(headers or {}))


def path_of(url):
    return urllib.parse.urlsplit(url).path


def text_of(document, path):
    return ET.fromstring(document).findtext("/".join(XMLNS + part for part in path.split("/")))


# --- AWS JSON 1.0


@pytest.mark.parametrize("path", ["/", "queue"])
def test_json_to_the_root_and_to_the_queues_path(queue, path):
    path = path_of(queue) if path == "queue" else path
    status, headers, text = json_call("SendMessage", {"QueueUrl": queue, "MessageBody": "x"}, path)
    assert status == 200
    assert headers["Content-Type"] == JSON
    assert str(uuid.UUID(headers["x-amzn-RequestId"])) == headers["x-amzn-RequestId"]
    assert json.loads(text)["MessageId"]


def test_json_replies_without_members(queue):
    status, _, text = json_call("TagQueue", {"QueueUrl": queue, "Tags": {"a": "b"}})
    assert (status, text) == (200, b"")
    assert json.loads(json_call("ReceiveMessage", {"QueueUrl": queue})[2]) == {}


def test_json_error(queue):
    members = {"QueueUrl": queue + "-missing", "MessageBody": "x"}
    status, headers, text = json_call("SendMessage", members, x_amzn_query_mode="true")
    assert status == 400
    assert headers["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"
    error = json.loads(text)
    assert error["__type"] == "com.amazonaws.sqs#QueueDoesNotExist"
    assert error["message"]


@pytest.mark.parametrize(
    "action, body, kind, code",
    [
        ("SendMessage", b"{", "SerializationException", "MalformedInput"),
        ("SendMessage", b"[]", "SerializationException", "MalformedInput"),
        ("SendMessage", b'{"QueueUrl": 7}', "SerializationException", "MalformedInput"),
        ("SendMessage", b'{"QueueUrl": "\xff"}', "SerializationException", "MalformedInput"),
        ("SendMessage", b"[" * 100_000, "SerializationException", "MalformedInput"),
        ("Levitate", b"{}", "UnknownOperationException", "InvalidAction"),
        ("CreateQueue", b"{}", "InvalidParameterValueException", "InvalidParameterValue"),
    ],
)
def test_json_that_is_wrong(action, body, kind, code):
    status, headers, text = json_call(action, body)
    error = json.loads(text)
    assert (status, error["__type"]) == (400, f"com.amazon.coral.service#{kind}")
    assert headers["x-amzn-query-error"] == f"{code};Sender"
    assert error["message"]


def test_unknown_members_are_ignored(queue):
    status, _, _ = json_call("SendMessage", {"QueueUrl": queue, "MessageBody": "x", "Colour": {"a": [1]}})
    assert status == 200


def test_missing_members(queue):
    status, _, text = json_call("SendMessage", {"QueueUrl": queue})
    assert (status, json.loads(text)["__type"].split("#")[1]) == (400, "MissingRequiredParameterException")
    status, _, text = json_call("SendMessage", {"MessageBody": "x"})
    assert (status, json.loads(text)["__type"].split("#")[1]) == (400, "QueueDoesNotExist")


# --- Query


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_query_to_the_queues_path(sqs, queue, method):
    status, headers, text = query_call("SendMessage", path_of(queue), method, MessageBody="x y&z")
    assert status == 200, text
    assert headers["Content-Type"].startswith("text/xml")
    assert ET.fromstring(text).tag == XMLNS + "SendMessageResponse"
    id = text_of(text, "SendMessageResult/MessageId")
    assert text_of(text, "ResponseMetadata/RequestId")
    [message] = receive(sqs, queue)
    assert (message["MessageId"], message["Body"]) == (id, "x y&z")


def test_query_without_output(queue):
    _, _, text = query_call("TagQueue", QueueUrl=queue, **{"Tag.1.Key": "a", "Tag.1.Value": "b"})
    root = ET.fromstring(text)
    assert root.tag == XMLNS + "TagQueueResponse"
    assert [child.tag for child in root] == [XMLNS + "ResponseMetadata"]


def test_query_error(queue):
    status, _, text = query_call("SendMessage", QueueUrl=queue + "-missing", MessageBody="x")
    assert status == 400
    assert ET.fromstring(text).tag == XMLNS + "ErrorResponse"
    assert text_of(text, "Error/Type") == "Sender"
    assert text_of(text, "Error/Code") == "AWS.SimpleQueueService.NonExistentQueue"
    assert text_of(text, "Error/Message")
    assert text_of(text, "Error/Detail") is not None
    assert text_of(text, "RequestId")


def test_query_unknown_action():
    status, _, text = query_call("Levitate")
    assert (status, text_of(text, "Error/Code")) == (400, "InvalidAction")


def test_query_lists_are_ordered_by_number(sqs, queue):
    members = {}
    for i in range(1, 11):
        members[f"MessageAttribute.{i}.Name"] = f"n{i}"
        members[f"MessageAttribute.{i}.Value.DataType"] = "String"
        members[f"MessageAttribute.{i}.Value.StringValue"] = f"v{i}"
    assert query_call("SendMessage", QueueUrl=queue, MessageBody="x", **members)[0] == 200
    [message] = receive(sqs, queue, MessageAttributeNames=["All"])
    assert {name: value["StringValue"] for name, value in message["MessageAttributes"].items()} == {
        f"n{i}": f"v{i}" for i in range(1, 11)
    }
    batch = {}
    for i in range(1, 11):
        batch[f"SendMessageBatchRequestEntry.{i}.Id"] = f"id{i}"
        batch[f"SendMessageBatchRequestEntry.{i}.MessageBody"] = f"b{i}"
    _, _, text = query_call("SendMessageBatch", QueueUrl=queue, **batch)
    found = ET.fromstring(text).iter(XMLNS + "SendMessageBatchResultEntry")
    assert [entry.findtext(XMLNS + "Id") for entry in found] == [f"id{i}" for i in range(1, 11)]


def test_query_spellings_of_old_clients(sqs, queue):
    old = {"Attribute.Name": "VisibilityTimeout", "Attribute.Value": "77"}
    assert query_call("SetQueueAttributes", QueueUrl=queue, **old)[0] == 200
    for name in "AttributeName", "AttributeName.1":
        _, _, text = query_call("GetQueueAttributes", QueueUrl=queue, **{name: "VisibilityTimeout"})
        assert text_of(text, "GetQueueAttributesResult/Attribute/Value") == "77"
    assert query_call("SendMessage", QueueUrl=queue, MessageBody="x")[0] == 200
    for name in "MessageSystemAttributeName.1", "AttributeName.1", "AttributeName":
        _, _, text = query_call("ReceiveMessage", QueueUrl=queue, VisibilityTimeout="0", **{name: "SentTimestamp"})
        assert text_of(text, "ReceiveMessageResult/Message/Attribute/Name") == "SentTimestamp"


def test_query_writes_carriage_returns_as_references(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="a\rb\nc")
    _, _, text = query_call("ReceiveMessage", QueueUrl=queue)
    assert b"a&#xD;b" in text
    assert text_of(text, "ReceiveMessageResult/Message/Body") == "a\rb\nc"


def test_query_with_accept_json(queue):
    accept = {"Accept": "application/json"}
    status, headers, text = query_call("SendMessage", QueueUrl=queue, MessageBody="x", headers=accept)
    assert status == 200
    assert headers["Content-Type"].startswith("application/json")
    reply = json.loads(text)["SendMessageResponse"]
    assert reply["SendMessageResult"]["MessageId"]
    assert reply["ResponseMetadata"]["RequestId"]
    status, _, text = query_call("SendMessage", QueueUrl=queue + "-missing", MessageBody="x", headers=accept)
    assert status == 400
    assert json.loads(text)["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


# --- headers, hosts, names


@pytest.mark.parametrize("protocol", ["json", "query"])
def test_trace_header_becomes_an_attribute(sqs, queue, protocol):
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793"
    if protocol == "json":
        json_call("SendMessage", {"QueueUrl": queue, "MessageBody": "x"}, X_Amzn_Trace_Id=trace)
    else:
        query_call("SendMessage", QueueUrl=queue, MessageBody="x", headers={"X_Amzn_Trace_Id": trace})
    [message] = receive(sqs, queue, AttributeNames=["All"])
    assert message["Attributes"]["AWSTraceHeader"] == trace


def test_a_messages_own_trace_header_wins(sqs, queue):
    own = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=own"}}
    members = {"QueueUrl": queue, "MessageBody": "x", "MessageSystemAttributes": own}
    json_call("SendMessage", members, X_Amzn_Trace_Id="Root=other")
    [message] = receive(sqs, queue, AttributeNames=["AWSTraceHeader"])
    assert message["Attributes"]["AWSTraceHeader"] == "Root=own"


def test_queue_urls_follow_the_host_header(queue):
    name = queue.rsplit("/", 1)[1]
    _, _, text = json_call("GetQueueUrl", {"QueueName": name}, Host="queues.example:8080")
    assert json.loads(text)["QueueUrl"] == f"http://queues.example:8080/000000000000/{name}"


@pytest.mark.parametrize(
    "shape",
    ["{name}", "/queue/{name}", "/000000000000/{name}", "https://sqs.us-east-1.amazonaws.com/000000000000/{name}"],
)
def test_ways_to_name_a_queue(sqs, queue, shape):
    url = shape.format(name=queue.rsplit("/", 1)[1])
    assert json_call("SendMessage", {"QueueUrl": url, "MessageBody": "x"})[0] == 200
    assert counters(sqs, queue) == (1, 0, 0)


def test_accounts_and_regions_are_namespaces():
    name = uuid.uuid4().hex
    others = [client(), client(access_key="123456789012"), client(region="eu-west-1")]
    urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for sqs in others]
    arns = [arn_of(sqs, url) for sqs, url in zip(others, urls)]
    assert arns == [
        f"arn:aws:sqs:us-east-1:000000000000:{name}",
        f"arn:aws:sqs:us-east-1:123456789012:{name}",
        f"arn:aws:sqs:eu-west-1:000000000000:{name}",
    ]
    assert urls[1] == f"{ENDPOINT}/123456789012/{name}"
    others[0].send_message(QueueUrl=urls[0], MessageBody="x")
    assert [counters(sqs, url)[0] for sqs, url in zip(others, urls)] == [1, 0, 0]
    for sqs, url in zip(others, urls):
        sqs.delete_queue(QueueUrl=url)


# --- clients that misbehave


def test_a_client_that_hangs_up_swallows_nothing(sqs, queue):
    body = json.dumps({"QueueUrl": queue, "WaitTimeSeconds": 20}).encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: {ADDRESS}\r\nContent-Type: {JSON}\r\n"
        f"X-Amz-Target: AmazonSQS.ReceiveMessage\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    host, port = ADDRESS.split(":")
    for _ in range(3):
        with socket.create_connection((host, int(port))) as gone:
            gone.sendall(head.encode() + body)
            time.sleep(0.2)
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    [message] = receive(sqs, queue, WaitTimeSeconds=2, AttributeNames=["All"])
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n" + b"X-Pad: " + b"y" * 300_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_junk_is_answered_with_an_error_and_the_server_lives(sqs, queue, junk):
    host, port = ADDRESS.split(":")
    with socket.create_connection((host, int(port)), timeout=15) as rude:
        try:
            rude.sendall(junk)
            answer = rude.recv(65536)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.split(b" ")[1][:1] == b"4", answer[:200]
    sqs.send_message(QueueUrl=queue, MessageBody="x")


# --- the server's own paths


def test_health_and_metrics(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    assert http_call("GET", "/health/live")[0] == 200
    assert http_call("GET", "/health/ready")[0] == 200
    status, headers, text = http_call("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert queue.rsplit("/", 1)[1] in text.decode()
