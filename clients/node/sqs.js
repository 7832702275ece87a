// The client and small helpers that the tests share.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";

export const endpoint = process.env.SLUICE_ENDPOINT;
assert(endpoint, "SLUICE_ENDPOINT names the server");

export const sqs = new SQSClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  maxAttempts: 1,
});

/** A queue of its own for one test, deleted after it. */
export async function newQueue(test, Attributes = {}) {
  const suffix = Attributes.FifoQueue ? ".fifo" : "";
  const made = await sqs.send(new CreateQueueCommand({ QueueName: randomUUID() + suffix, Attributes }));
  test.after(async () => {
    try {
      await sqs.send(new DeleteQueueCommand({ QueueUrl: made.QueueUrl }));
    } catch (error) {
      if (!(error instanceof QueueDoesNotExist)) throw error;
    }
  });
  return made.QueueUrl;
}

export async function arnOf(QueueUrl) {
  const reply = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }));
  return reply.Attributes.QueueArn;
}

export async function receive(QueueUrl, more = {}) {
  const reply = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, ...more }));
  return reply.Messages ?? [];
}

export const bodies = (messages) => messages.map((message) => message.Body);

/** [visible, in flight, delayed] */
export async function counters(QueueUrl) {
  const names = ["", "NotVisible", "Delayed"].map((name) => `ApproximateNumberOfMessages${name}`);
  const reply = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: names }));
  return names.map((name) => Number(reply.Attributes[name]));
}

/** The command must fail with this exception class and HTTP status. */
export async function fails(command, kind, status = 400) {
  await assert.rejects(sqs.send(command), (error) => {
    if (typeof kind === "string") assert.equal(error.name, kind);
    else assert(error instanceof kind, `${error.name}: ${error.message}`);
    assert.equal(error.$metadata.httpStatusCode, status);
    assert(error.message);
    return true;
  });
}
