import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import * as api from "@aws-sdk/client-sqs";
import { arnOf, bodies, counters, endpoint, fails, newQueue, receive, sqs } from "../sqs.js";

const attributes = {
  color: { DataType: "String", StringValue: "blue" },
  count: { DataType: "Number", StringValue: "3" },
  blob: { DataType: "Binary", BinaryValue: Uint8Array.of(1, 2, 3) },
};

test("queues are made, found, listed, tagged, changed and deleted", async (t) => {
  const url = await newQueue(t, { VisibilityTimeout: "40" });
  const QueueName = url.split("/").pop();
  assert.equal(url, `${endpoint}/000000000000/${QueueName}`);
  assert.equal((await sqs.send(new api.GetQueueUrlCommand({ QueueName }))).QueueUrl, url);
  assert.deepEqual((await sqs.send(new api.ListQueuesCommand({ QueueNamePrefix: QueueName }))).QueueUrls, [url]);
  assert.equal((await sqs.send(new api.CreateQueueCommand({ QueueName }))).QueueUrl, url);
  await fails(new api.CreateQueueCommand({ QueueName, Attributes: { VisibilityTimeout: "41" } }), api.QueueNameExists);

  await sqs.send(new api.TagQueueCommand({ QueueUrl: url, Tags: { team: "billing", stage: "test" } }));
  await sqs.send(new api.UntagQueueCommand({ QueueUrl: url, TagKeys: ["stage"] }));
  assert.deepEqual((await sqs.send(new api.ListQueueTagsCommand({ QueueUrl: url }))).Tags, { team: "billing" });

  await sqs.send(new api.SetQueueAttributesCommand({ QueueUrl: url, Attributes: { DelaySeconds: "7" } }));
  const all = await sqs.send(new api.GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["All"] }));
  assert.equal(all.Attributes.DelaySeconds, "7");
  assert.equal(all.Attributes.VisibilityTimeout, "40");

  await sqs.send(new api.DeleteQueueCommand({ QueueUrl: url }));
  await fails(new api.GetQueueUrlCommand({ QueueName }), api.QueueDoesNotExist);
  await fails(new api.CreateQueueCommand({ QueueName }), api.QueueDeletedRecently);
});

test("queues are listed page by page", async (t) => {
  const prefix = randomUUID();
  for (const i of [1, 2, 3]) {
    const made = await sqs.send(new api.CreateQueueCommand({ QueueName: `${prefix}-${i}` }));
    t.after(() => sqs.send(new api.DeleteQueueCommand({ QueueUrl: made.QueueUrl })));
  }
  const found = [];
  const pages = api.paginateListQueues({ client: sqs, pageSize: 2 }, { QueueNamePrefix: prefix });
  for await (const page of pages) found.push(page.QueueUrls.length);
  assert.deepEqual(found, [2, 1]);
});

test("a message lives and dies", async (t) => {
  const QueueUrl = await newQueue(t);
  const body = "\t\r\n<&>\"' é 漢字 \u{1F600}";
  const sent = await sqs.send(
    new api.SendMessageCommand({ QueueUrl, MessageBody: body, MessageAttributes: attributes }),
  );
  assert.equal(sent.MD5OfMessageBody, createHash("md5").update(body).digest("hex"));
  assert.equal(sent.MD5OfMessageAttributes, "d838729972a4b70e2d2acd9d59ac847c");
  const [message] = await receive(QueueUrl, {
    MessageAttributeNames: ["All"],
    MessageSystemAttributeNames: ["All"],
  });
  assert.equal(message.Body, body);
  assert.equal(message.MessageId, sent.MessageId);
  assert.equal(message.MessageAttributes.color.StringValue, "blue");
  assert.deepEqual([...message.MessageAttributes.blob.BinaryValue], [1, 2, 3]);
  assert.equal(message.Attributes.ApproximateReceiveCount, "1");
  assert.deepEqual(await receive(QueueUrl), []);
  assert.deepEqual(await counters(QueueUrl), [0, 1, 0]);
  const { ReceiptHandle } = message;
  await sqs.send(new api.ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
  const [again] = await receive(QueueUrl);
  assert.equal(again.MessageId, sent.MessageId);
  await sqs.send(new api.DeleteMessageCommand({ QueueUrl, ReceiptHandle: again.ReceiptHandle }));
  assert.deepEqual(await counters(QueueUrl), [0, 0, 0]);
});

test("batches, of which some entries fail", async (t) => {
  const QueueUrl = await newQueue(t);
  const sent = await sqs.send(
    new api.SendMessageBatchCommand({
      QueueUrl,
      Entries: [
        { Id: "a", MessageBody: "a" },
        { Id: "b", MessageBody: "b", DelaySeconds: 901 },
        { Id: "c", MessageBody: "c" },
      ],
    }),
  );
  assert.deepEqual(sent.Successful.map((one) => one.Id), ["a", "c"]);
  assert.deepEqual(
    sent.Failed.map((one) => [one.Id, one.Code, one.SenderFault]),
    [["b", "InvalidParameterValue", true]],
  );
  const Entries = (await receive(QueueUrl)).map((one, i) => ({ Id: `${i}`, ReceiptHandle: one.ReceiptHandle }));
  assert.equal(Entries.length, 2);
  const hidden = Entries.map((one) => ({ ...one, VisibilityTimeout: 60 }));
  const changed = await sqs.send(new api.ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries: hidden }));
  assert.equal(changed.Successful.length, 2);
  Entries.push({ Id: "wrong", ReceiptHandle: "nonsense" });
  const deleted = await sqs.send(new api.DeleteMessageBatchCommand({ QueueUrl, Entries }));
  assert.equal(deleted.Successful.length, 2);
  assert.deepEqual(deleted.Failed.map((one) => [one.Id, one.Code]), [["wrong", "ReceiptHandleIsInvalid"]]);
  assert.deepEqual(await counters(QueueUrl), [0, 0, 0]);
});

test("a long poll is woken by a send, and by a visibility change", async (t) => {
  const QueueUrl = await newQueue(t);
  const poll = async () => [await receive(QueueUrl, { WaitTimeSeconds: 15, VisibilityTimeout: 60 }), Date.now()];
  let waiting = poll();
  await sleep(300);
  let since = Date.now();
  await sqs.send(new api.SendMessageCommand({ QueueUrl, MessageBody: "wake" }));
  let [messages, at] = await waiting;
  assert.deepEqual(bodies(messages), ["wake"]);
  assert(at - since < 1000, `woken after ${at - since} ms`);

  waiting = poll();
  await sleep(300);
  since = Date.now();
  const { ReceiptHandle } = messages[0];
  await sqs.send(new api.ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
  [messages, at] = await waiting;
  assert.deepEqual(bodies(messages), ["wake"]);
  assert(at - since < 1000, `woken after ${at - since} ms`);
});

test("a delay, a visibility timeout and an empty long poll take their time", async (t) => {
  const QueueUrl = await newQueue(t);
  await sqs.send(new api.SendMessageCommand({ QueueUrl, MessageBody: "late", DelaySeconds: 1 }));
  assert.deepEqual(await receive(QueueUrl), []);
  let since = Date.now();
  assert.deepEqual(bodies(await receive(QueueUrl, { WaitTimeSeconds: 10, VisibilityTimeout: 1 })), ["late"]);
  assert.deepEqual(bodies(await receive(QueueUrl, { WaitTimeSeconds: 10 })), ["late"]);
  assert(Date.now() - since < 4000, `woken after ${Date.now() - since} ms`);
  since = Date.now();
  assert.deepEqual(await receive(QueueUrl, { WaitTimeSeconds: 1 }), []);
  assert(Date.now() - since >= 950);
});

test("FIFO: order, locked groups, deduplication", async (t) => {
  const QueueUrl = await newQueue(t, { FifoQueue: "true", ContentBasedDeduplication: "true" });
  const send = (MessageBody, MessageGroupId) =>
    sqs.send(new api.SendMessageCommand({ QueueUrl, MessageBody, MessageGroupId }));
  const first = await send("a1", "a");
  const again = await send("a1", "a");
  assert.equal(again.MessageId, first.MessageId);
  assert.equal(again.SequenceNumber, first.SequenceNumber);
  const second = await send("a2", "a");
  assert(BigInt(second.SequenceNumber) > BigInt(first.SequenceNumber));
  await send("b1", "b");
  const [head] = await receive(QueueUrl, { MaxNumberOfMessages: 1, ReceiveRequestAttemptId: "try" });
  const [same] = await receive(QueueUrl, { MaxNumberOfMessages: 1, ReceiveRequestAttemptId: "try" });
  assert.equal(same.ReceiptHandle, head.ReceiptHandle);
  assert.equal(head.Body, "a1");
  assert.deepEqual(bodies(await receive(QueueUrl)), ["b1"]);
  await sqs.send(new api.DeleteMessageCommand({ QueueUrl, ReceiptHandle: head.ReceiptHandle }));
  assert.deepEqual(bodies(await receive(QueueUrl)), ["a2"]);
});

test("dead letters are moved, and moved back by a task", async (t) => {
  const dead = await newQueue(t);
  const deadArn = await arnOf(dead);
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: deadArn, maxReceiveCount: 1 });
  const source = await newQueue(t, { VisibilityTimeout: "0", RedrivePolicy });
  const listed = await sqs.send(new api.ListDeadLetterSourceQueuesCommand({ QueueUrl: dead }));
  assert.deepEqual(listed.queueUrls, [source]);
  await sqs.send(new api.SendMessageCommand({ QueueUrl: source, MessageBody: "poison" }));
  const [first] = await receive(source);
  assert.deepEqual(await receive(source), []);
  const [moved] = await receive(dead, {
    WaitTimeSeconds: 5,
    VisibilityTimeout: 0,
    MessageSystemAttributeNames: ["All"],
  });
  assert.equal(moved.MessageId, first.MessageId);
  assert.equal(moved.Attributes.DeadLetterQueueSourceArn, await arnOf(source));
  const started = await sqs.send(new api.StartMessageMoveTaskCommand({ SourceArn: deadArn }));
  assert(started.TaskHandle);
  const [back] = await receive(source, { WaitTimeSeconds: 5, VisibilityTimeout: 60 });
  assert.equal(back.Body, "poison");
  let task;
  do {
    await sleep(100);
    [task] = (await sqs.send(new api.ListMessageMoveTasksCommand({ SourceArn: deadArn }))).Results;
  } while (task.Status === "RUNNING");
  assert.equal(task.Status, "COMPLETED");
  assert.equal(task.ApproximateNumberOfMessagesMoved, 1);
  await fails(
    new api.CancelMessageMoveTaskCommand({ TaskHandle: started.TaskHandle }),
    api.ResourceNotFoundException,
    404,
  );
});

test("purge", async (t) => {
  const QueueUrl = await newQueue(t);
  await sqs.send(new api.SendMessageCommand({ QueueUrl, MessageBody: "x" }));
  await sqs.send(new api.PurgeQueueCommand({ QueueUrl }));
  assert.deepEqual(await receive(QueueUrl), []);
  await fails(new api.PurgeQueueCommand({ QueueUrl }), api.PurgeQueueInProgress, 403);
});

test("errors have their exception classes", async (t) => {
  const QueueUrl = await newQueue(t);
  const entry = { Id: "a", MessageBody: "x" };
  const batch = (Entries) => new api.SendMessageBatchCommand({ QueueUrl, Entries });
  await fails(new api.ReceiveMessageCommand({ QueueUrl: `${QueueUrl}-missing` }), api.QueueDoesNotExist);
  await fails(batch([]), api.EmptyBatchRequest);
  await fails(batch([entry, entry]), api.BatchEntryIdsNotDistinct);
  await fails(batch([{ ...entry, Id: "not an id" }]), api.InvalidBatchEntryId);
  const many = Array.from({ length: 11 }, (_, i) => ({ ...entry, Id: `${i}` }));
  await fails(batch(many), api.TooManyEntriesInBatchRequest);
  const long = many.slice(0, 10).map((one) => ({ ...one, MessageBody: "x".repeat(200_000) }));
  await fails(batch(long), api.BatchRequestTooLong);
  await fails(new api.SendMessageCommand({ QueueUrl, MessageBody: "\0" }), api.InvalidMessageContents);
  await fails(
    new api.DeleteMessageCommand({ QueueUrl, ReceiptHandle: "nonsense" }),
    api.ReceiptHandleIsInvalid,
    404,
  );
  const set = (Attributes) => new api.SetQueueAttributesCommand({ QueueUrl, Attributes });
  await fails(set({ Colour: "blue" }), api.InvalidAttributeName);
  await fails(set({ DelaySeconds: "901" }), api.InvalidAttributeValue);
  await fails(new api.ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 11 }), "InvalidParameterValue");
});
