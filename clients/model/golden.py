"""Prints the requests that the installed botocore writes, one line each, for the decoder's tests.

    python3 golden.py > ../../crates/wire/src/tests/golden/requests.json.tsv     # with botocore of today
    python3 golden.py > ../../crates/wire/src/tests/golden/requests.query.tsv    # with botocore 1.31.80 or older

The files were made with 1.43.11 and 1.31.80; 1.29.165 writes the same as the latter. Columns: case, action,
X-Amz-Target, Content-Type, body. The cases and their meaning are in golden.rs, by the same names.
"""

import urllib.parse

import botocore.loaders
import botocore.model
import botocore.serialize

URL = "http://localhost:9324/000000000000/jobs"
ATTRIBUTES = {
    "blob": {"DataType": "Binary", "BinaryValue": b"\x01\x02\xff"},
    "color": {"DataType": "String", "StringValue": "blue & \u00e9"},
    "count": {"DataType": "Number.int", "StringValue": "3"},
}
TRACE = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-2"}}

CASES = [
    ("add_permission", "AddPermission",
     {"QueueUrl": URL, "Label": "l", "AWSAccountIds": ["111122223333", "444455556666"], "Actions": ["SendMessage", "*"]}),
    ("cancel_message_move_task", "CancelMessageMoveTask", {"TaskHandle": "t=="}),
    ("change_message_visibility", "ChangeMessageVisibility",
     {"QueueUrl": URL, "ReceiptHandle": "a+b/c=", "VisibilityTimeout": 0}),
    ("change_message_visibility_batch", "ChangeMessageVisibilityBatch",
     {"QueueUrl": URL, "Entries": [{"Id": "a", "ReceiptHandle": "h", "VisibilityTimeout": 5}, {"Id": "b", "ReceiptHandle": "i"}]}),
    ("create_queue", "CreateQueue",
     {"QueueName": "jobs", "Attributes": {"DelaySeconds": "5", "Policy": '{"Id":"x"}'}, "tags": {"env": "test", "empty": ""}}),
    ("create_queue_bare", "CreateQueue", {"QueueName": "jobs"}),
    ("delete_message", "DeleteMessage", {"QueueUrl": URL, "ReceiptHandle": "a+b/c="}),
    ("delete_message_batch", "DeleteMessageBatch",
     {"QueueUrl": URL, "Entries": [{"Id": "a", "ReceiptHandle": "h"}, {"Id": "b", "ReceiptHandle": "i"}]}),
    ("delete_message_batch_empty", "DeleteMessageBatch", {"QueueUrl": URL, "Entries": []}),
    ("delete_queue", "DeleteQueue", {"QueueUrl": URL}),
    ("get_queue_attributes", "GetQueueAttributes", {"QueueUrl": URL, "AttributeNames": ["All", "QueueArn"]}),
    ("get_queue_attributes_empty", "GetQueueAttributes", {"QueueUrl": URL, "AttributeNames": []}),
    ("get_queue_url", "GetQueueUrl", {"QueueName": "jobs", "QueueOwnerAWSAccountId": "111122223333"}),
    ("list_dead_letter_source_queues", "ListDeadLetterSourceQueues",
     {"QueueUrl": URL, "NextToken": "n", "MaxResults": 7}),
    ("list_message_move_tasks", "ListMessageMoveTasks",
     {"SourceArn": "arn:aws:sqs:us-east-1:000000000000:dead", "MaxResults": 2}),
    ("list_queue_tags", "ListQueueTags", {"QueueUrl": URL}),
    ("list_queues", "ListQueues", {"QueueNamePrefix": "jo", "NextToken": "n", "MaxResults": 1000}),
    ("list_queues_bare", "ListQueues", {}),
    ("purge_queue", "PurgeQueue", {"QueueUrl": URL}),
    ("receive_message", "ReceiveMessage",
     {"QueueUrl": URL, "AttributeNames": ["All"], "MessageAttributeNames": ["col.*", "count"],
      "MaxNumberOfMessages": 10, "VisibilityTimeout": 60, "WaitTimeSeconds": 20, "ReceiveRequestAttemptId": "try"}),
    ("remove_permission", "RemovePermission", {"QueueUrl": URL, "Label": "l"}),
    ("send_message", "SendMessage",
     {"QueueUrl": URL, "MessageBody": "a=1&b=2 +%\r\n\u2603 <x>\"\\", "DelaySeconds": 3, "MessageAttributes": ATTRIBUTES,
      "MessageSystemAttributes": TRACE, "MessageDeduplicationId": "d", "MessageGroupId": "g"}),
    ("send_message_batch", "SendMessageBatch",
     {"QueueUrl": URL, "Entries": [{"Id": str(i), "MessageBody": "body %d" % i, "MessageAttributes": ATTRIBUTES}
                                   for i in range(1, 12)]}),
    ("set_queue_attributes", "SetQueueAttributes",
     {"QueueUrl": URL, "Attributes": {"VisibilityTimeout": "60", "RedrivePolicy": ""}}),
    ("start_message_move_task", "StartMessageMoveTask",
     {"SourceArn": "arn:aws:sqs:us-east-1:000000000000:dead", "DestinationArn": "arn:aws:sqs:us-east-1:000000000000:jobs",
      "MaxNumberOfMessagesPerSecond": 500}),
    ("tag_queue", "TagQueue", {"QueueUrl": URL, "Tags": {"env": "test", "a:b": "c d"}}),
    ("untag_queue", "UntagQueue", {"QueueUrl": URL, "TagKeys": ["env", "a:b"]}),
]


def main():
    model = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("sqs", "service-2"), "sqs")
    serializer = botocore.serialize.create_serializer(model.metadata["protocol"], include_validation=False)
    for case, action, parameters in CASES:
        request = serializer.serialize_to_request(parameters, model.operation_model(action))
        headers, body = request["headers"], request["body"]
        if isinstance(body, dict):
            body = urllib.parse.urlencode(body)
        if isinstance(body, bytes):
            body = body.decode()
        print(case, action, headers.get("X-Amz-Target", ""), headers.get("Content-Type", ""), body, sep="\t")


if __name__ == "__main__":
    main()
