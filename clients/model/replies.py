"""Reads the replies of crates/wire/src/tests/golden/replies.jsonl with botocore's own parsers.

    python3 replies.py

A botocore of today reads the JSON replies, one of 1.31.80 or before the XML ones; both must see the same. Exits
with 1 and a line for each reply that is read otherwise than meant.
"""

import json
import pathlib
import sys

import botocore
import botocore.loaders
import botocore.model
import botocore.parsers

FILE = pathlib.Path(__file__).resolve().parents[2] / "crates/wire/src/tests/golden/replies.jsonl"
REQUEST_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

URL = "http://localhost:9324/000000000000/jobs"
URLS = [URL, "http://localhost:9324/000000000000/other.fifo"]
ARN = "arn:aws:sqs:us-east-1:000000000000:"
MESSAGE_ID = "01234567-89ab-4def-8123-456789abcdef"
FAILED = [
    {"Id": "b", "SenderFault": True, "Code": "InvalidParameterValue",
     "Message": "Value 901 for parameter DelaySeconds is invalid. Reason: Must be at most 900."},
    {"Id": "c", "SenderFault": False, "Code": "InternalFailure", "Message": "Try again."},
]
SENT_BARE = {"MessageId": MESSAGE_ID, "MD5OfMessageBody": "a0" * 16}
SENT = {
    "MD5OfMessageAttributes": "b1" * 16,
    "MD5OfMessageSystemAttributes": "c2" * 16,
    "SequenceNumber": "00000000000000000077",
    **SENT_BARE,
}
RECEIVED_BARE = {"MessageId": MESSAGE_ID, "ReceiptHandle": "AQ+/=", "MD5OfBody": "a0" * 16, "Body": "plain"}
RECEIVED = {
    **RECEIVED_BARE,
    "Body": '<a href="x">&</a>\r\n\t\u2603\U0001f600',
    "Attributes": {"ApproximateReceiveCount": "1", "SenderId": "AID"},
    "MD5OfMessageAttributes": "b1" * 16,
    "MessageAttributes": {
        "blob": {"DataType": "Binary", "BinaryValue": b"\x01\x02\xff"},
        "color": {"DataType": "String", "StringValue": "blue"},
    },
}
TASKS = [
    {"TaskHandle": "task", "Status": "RUNNING", "SourceArn": ARN + "dead", "DestinationArn": ARN + "jobs",
     "MaxNumberOfMessagesPerSecond": 500, "ApproximateNumberOfMessagesMoved": 5,
     "ApproximateNumberOfMessagesToMove": 9, "StartedTimestamp": 1700000000123},
    {"Status": "FAILED", "SourceArn": ARN + "dead", "ApproximateNumberOfMessagesMoved": 5,
     "FailureReason": "CouldNotMove", "StartedTimestamp": 1700000000123},
]

# What each reply means; a case that is not here has no members.
MEANINGS = {
    "cancel_message_move_task": {"ApproximateNumberOfMessagesMoved": 12},
    "change_message_visibility_batch": {"Successful": [{"Id": "a"}], "Failed": FAILED},
    "create_queue": {"QueueUrl": URL},
    "delete_message_batch": {"Successful": [{"Id": "a"}], "Failed": FAILED},
    "get_queue_attributes": {"Attributes": {"DelaySeconds": "0", "Policy": '{"a":1}'}},
    "get_queue_url": {"QueueUrl": URL},
    "list_dead_letter_source_queues": {"queueUrls": URLS},
    "list_message_move_tasks": {"Results": TASKS},
    "list_queue_tags": {"Tags": {"empty": "", "env": "test"}},
    "list_queues": {"QueueUrls": URLS, "NextToken": "n&"},
    "receive_message": {"Messages": [RECEIVED, RECEIVED_BARE]},
    "send_message": SENT,
    "send_message_bare": SENT_BARE,
    "send_message_batch": {"Successful": [{"Id": "a", **SENT}], "Failed": FAILED},
    "start_message_move_task": {"TaskHandle": "task"},
}
ERRORS = {
    "error_sender": (400, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.", "Sender"),
    # XML cannot hold the control character that ends this message.
    "error_receiver": (500, "InternalFailure", {"json": "a < b\r\n\x01", "query": "a < b\r\n\ufffd"}, "Receiver"),
}


def read(parser, shape, reply):
    response = {"status_code": reply["status"], "headers": reply["headers"], "body": reply["body"].encode()}
    return parser.parse(response, shape)


def check(parser, model, protocol, reply):
    shape = model.operation_model(reply["action"]).output_shape
    parsed = read(parser, shape, reply)
    metadata = parsed.pop("ResponseMetadata")
    assert metadata["RequestId"] == REQUEST_ID, metadata
    if reply["case"] not in ERRORS:
        meant = MEANINGS.get(reply["case"], {})
        # The XML parser shows an empty list where a list is in the model and not in the reply.
        seen = {name: value for name, value in parsed.items() if value != []}
        assert seen == meant, "read as %r instead of %r" % (seen, meant)
        return
    status, code, message, fault = ERRORS[reply["case"]]
    message = message if isinstance(message, str) else message[protocol]
    assert metadata["HTTPStatusCode"] == status, metadata
    error = parsed["Error"]
    seen = (error["Code"], error["Message"])
    assert seen == (code, message), "read as %r instead of %r" % (seen, (code, message))
    assert error["Type"] == fault, error


def main():
    model = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("sqs", "service-2"), "sqs")
    protocol = model.metadata["protocol"]
    parser = botocore.parsers.create_parser(protocol)
    failures = checked = 0
    for line in FILE.read_text(encoding="utf-8").splitlines():
        reply = json.loads(line)
        if reply["form"] != protocol:
            continue
        checked += 1
        try:
            check(parser, model, protocol, reply)
        except (AssertionError, KeyError, botocore.parsers.ResponseParserError) as error:
            failures += 1
            print("%s: %r" % (reply["case"], error))
    missing = (set(MEANINGS) | set(ERRORS)) - {json.loads(line)["case"] for line in FILE.open(encoding="utf-8")}
    print(
        "%d replies read by botocore %s (%s protocol): %d wrong, %d missing"
        % (checked, botocore.__version__, protocol, failures, len(missing))
    )
    return 1 if failures or missing or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
