package sluice;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static sluice.Sqs.CLIENT;
import static sluice.Sqs.attribute;
import static sluice.Sqs.bodies;
import static sluice.Sqs.counters;
import static sluice.Sqs.fails;
import static sluice.Sqs.newQueue;
import static sluice.Sqs.receive;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.sqs.model.*;

class LifeTest {
    private static final String AWS = "AWS.SimpleQueueService.";

    private static SendMessageBatchRequestEntry entry(String id, String body) {
        return SendMessageBatchRequestEntry.builder().id(id).messageBody(body).build();
    }

    private static SendMessageResponse send(String url, String body) {
        return CLIENT.sendMessage(r -> r.queueUrl(url).messageBody(body));
    }

    private static void hide(String url, Message message, int seconds) {
        CLIENT.changeMessageVisibility(
                r -> r.queueUrl(url).receiptHandle(message.receiptHandle()).visibilityTimeout(seconds));
    }

    @Test
    void queues() {
        String url = newQueue(Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "40"));
        String name = url.substring(url.lastIndexOf('/') + 1);
        assertEquals(Sqs.ENDPOINT + "/000000000000/" + name, url);
        assertEquals(url, CLIENT.getQueueUrl(r -> r.queueName(name)).queueUrl());
        assertEquals(List.of(url), CLIENT.listQueues(r -> r.queueNamePrefix(name)).queueUrls());
        assertEquals(url, CLIENT.createQueue(r -> r.queueName(name)).queueUrl());
        fails(QueueNameExistsException.class, "QueueAlreadyExists", 400, () -> CLIENT.createQueue(
                r -> r.queueName(name).attributes(Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "41"))));

        CLIENT.tagQueue(r -> r.queueUrl(url).tags(Map.of("a", "1", "b", "2")));
        CLIENT.untagQueue(r -> r.queueUrl(url).tagKeys("a"));
        assertEquals(Map.of("b", "2"), CLIENT.listQueueTags(r -> r.queueUrl(url)).tags());

        CLIENT.setQueueAttributes(r -> r.queueUrl(url).attributes(Map.of(QueueAttributeName.DELAY_SECONDS, "7")));
        assertEquals("7", attribute(url, QueueAttributeName.DELAY_SECONDS));
        assertEquals("40", attribute(url, QueueAttributeName.VISIBILITY_TIMEOUT));

        CLIENT.deleteQueue(r -> r.queueUrl(url));
        fails(QueueDoesNotExistException.class, AWS + "NonExistentQueue", 400,
                () -> CLIENT.getQueueUrl(r -> r.queueName(name)));
        fails(QueueDeletedRecentlyException.class, AWS + "QueueDeletedRecently", 400,
                () -> CLIENT.createQueue(r -> r.queueName(name)));
    }

    @Test
    void message() {
        String url = newQueue(Map.of());
        String body = "\t\r\n<&>\"' é 漢字 \uD83D\uDE00";
        // The SDK itself checks the MD5 of the body and of the attributes, on sending and on receiving.
        SendMessageResponse sent = CLIENT.sendMessage(r -> r.queueUrl(url).messageBody(body).messageAttributes(Map.of(
                "color", MessageAttributeValue.builder().dataType("String").stringValue("blue").build(),
                "count", MessageAttributeValue.builder().dataType("Number").stringValue("3").build(),
                "blob", MessageAttributeValue.builder().dataType("Binary")
                        .binaryValue(SdkBytes.fromByteArray(new byte[] {1, 2, 3})).build())));
        assertEquals("d838729972a4b70e2d2acd9d59ac847c", sent.md5OfMessageAttributes());
        List<Message> got = receive(url);
        assertEquals(List.of(body), bodies(got));
        Message message = got.get(0);
        assertEquals(sent.messageId(), message.messageId());
        assertEquals("blue", message.messageAttributes().get("color").stringValue());
        assertEquals("1", message.attributes().get(MessageSystemAttributeName.APPROXIMATE_RECEIVE_COUNT));
        assertEquals(List.of(), receive(url));
        assertEquals(List.of("0", "1", "0"), counters(url));
        hide(url, message, 0);
        Message again = receive(url).get(0);
        CLIENT.deleteMessage(r -> r.queueUrl(url).receiptHandle(again.receiptHandle()));
        assertEquals(List.of("0", "0", "0"), counters(url));
    }

    @Test
    void batches() {
        String url = newQueue(Map.of());
        SendMessageBatchRequestEntry late = entry("b", "b").toBuilder().delaySeconds(901).build();
        SendMessageBatchResponse sent = CLIENT.sendMessageBatch(r -> r.queueUrl(url).entries(entry("a", "a"), late));
        assertEquals(1, sent.successful().size());
        assertEquals(1, sent.failed().size());
        assertEquals("b", sent.failed().get(0).id());
        assertEquals("InvalidParameterValue", sent.failed().get(0).code());
        assertTrue(sent.failed().get(0).senderFault());
        String handle = receive(url).get(0).receiptHandle();
        ChangeMessageVisibilityBatchResponse changed = CLIENT.changeMessageVisibilityBatch(r -> r.queueUrl(url).entries(
                e -> e.id("right").receiptHandle(handle).visibilityTimeout(60),
                e -> e.id("wrong").receiptHandle("nonsense").visibilityTimeout(60)));
        assertEquals(1, changed.successful().size());
        assertEquals(1, changed.failed().size());
        DeleteMessageBatchResponse deleted = CLIENT.deleteMessageBatch(r -> r.queueUrl(url).entries(
                e -> e.id("right").receiptHandle(handle), e -> e.id("wrong").receiptHandle("nonsense")));
        assertEquals("right", deleted.successful().get(0).id());
        assertEquals("ReceiptHandleIsInvalid", deleted.failed().get(0).code());
        assertEquals(List.of("0", "0", "0"), counters(url));
    }

    private static CompletableFuture<List<Message>> poll(String url) throws InterruptedException {
        CompletableFuture<List<Message>> waiting = CompletableFuture.supplyAsync(
                () -> receive(url, r -> r.waitTimeSeconds(15).visibilityTimeout(60)));
        Thread.sleep(300);
        return waiting;
    }

    @Test
    void longPollIsWoken() throws Exception {
        String url = newQueue(Map.of());
        CompletableFuture<List<Message>> waiting = poll(url);
        send(url, "wake");
        List<Message> got = waiting.get(1, TimeUnit.SECONDS);
        assertEquals(List.of("wake"), bodies(got));
        waiting = poll(url);
        hide(url, got.get(0), 0);
        assertEquals(List.of("wake"), bodies(waiting.get(1, TimeUnit.SECONDS)));
    }

    @Test
    void delayAndVisibilityEnd() {
        String url = newQueue(Map.of());
        CLIENT.sendMessage(r -> r.queueUrl(url).messageBody("late").delaySeconds(1));
        assertEquals(List.of(), receive(url));
        assertEquals(List.of("0", "0", "1"), counters(url));
        long since = System.nanoTime();
        for (int i = 0; i < 2; i++) {
            assertEquals(List.of("late"), bodies(receive(url, r -> r.waitTimeSeconds(10).visibilityTimeout(1))));
        }
        assertTrue(System.nanoTime() - since < Duration.ofSeconds(4).toNanos());
    }

    private static SendMessageResponse sendTo(String url, String group, String body) {
        return CLIENT.sendMessage(r -> r.queueUrl(url).messageBody(body).messageGroupId(group));
    }

    @Test
    void fifo() {
        String url = newQueue(Map.of(
                QueueAttributeName.FIFO_QUEUE, "true", QueueAttributeName.CONTENT_BASED_DEDUPLICATION, "true"));
        SendMessageResponse first = sendTo(url, "a", "a1");
        SendMessageResponse same = sendTo(url, "a", "a1");
        assertEquals(first.messageId(), same.messageId());
        assertEquals(first.sequenceNumber(), same.sequenceNumber());
        assertTrue(sendTo(url, "a", "a2").sequenceNumber().compareTo(first.sequenceNumber()) > 0);
        sendTo(url, "b", "b1");
        List<Message> head = receive(url, r -> r.maxNumberOfMessages(1));
        assertEquals(List.of("a1"), bodies(head));
        assertEquals(List.of("b1"), bodies(receive(url)));
        CLIENT.deleteMessage(r -> r.queueUrl(url).receiptHandle(head.get(0).receiptHandle()));
        assertEquals(List.of("a2"), bodies(receive(url)));
        fails(SqsException.class, "MissingParameter", 400, () -> send(url, "x"));
    }

    @Test
    void deadLetters() throws Exception {
        String dead = newQueue(Map.of());
        String arn = attribute(dead, QueueAttributeName.QUEUE_ARN);
        String policy = "{\"deadLetterTargetArn\":\"" + arn + "\",\"maxReceiveCount\":1}";
        String source = newQueue(Map.of(QueueAttributeName.REDRIVE_POLICY, policy));
        assertEquals(List.of(source), CLIENT.listDeadLetterSourceQueues(r -> r.queueUrl(dead)).queueUrls());
        send(source, "poison");
        List<Message> first = receive(source, r -> r.visibilityTimeout(0));
        assertEquals(List.of("poison"), bodies(first));
        assertEquals(List.of(), receive(source));
        Message moved = receive(dead, r -> r.waitTimeSeconds(5)).get(0);
        assertEquals(first.get(0).messageId(), moved.messageId());
        assertEquals(attribute(source, QueueAttributeName.QUEUE_ARN),
                moved.attributes().get(MessageSystemAttributeName.DEAD_LETTER_QUEUE_SOURCE_ARN));
        hide(dead, moved, 0);

        String handle = CLIENT.startMessageMoveTask(r -> r.sourceArn(arn)).taskHandle();
        assertEquals(List.of("poison"), bodies(receive(source, r -> r.waitTimeSeconds(5).visibilityTimeout(60))));
        ListMessageMoveTasksResultEntry task;
        int tries = 0;
        do {
            Thread.sleep(Duration.ofMillis(100).toMillis());
            task = CLIENT.listMessageMoveTasks(r -> r.sourceArn(arn)).results().get(0);
        } while (task.status().equals("RUNNING") && ++tries < 100);
        assertEquals("COMPLETED", task.status());
        assertEquals(1, task.approximateNumberOfMessagesMoved());
        fails(ResourceNotFoundException.class, "ResourceNotFoundException", 404,
                () -> CLIENT.cancelMessageMoveTask(r -> r.taskHandle(handle)));
    }

    @Test
    void purge() {
        String url = newQueue(Map.of());
        send(url, "x");
        CLIENT.purgeQueue(r -> r.queueUrl(url));
        assertEquals(List.of(), receive(url));
        fails(PurgeQueueInProgressException.class, AWS + "PurgeQueueInProgress", 403,
                () -> CLIENT.purgeQueue(r -> r.queueUrl(url)));
    }

    private static void batchFails(Class<? extends SqsException> kind, String code, String url,
            List<SendMessageBatchRequestEntry> entries) {
        fails(kind, AWS + code, 400, () -> CLIENT.sendMessageBatch(r -> r.queueUrl(url).entries(entries)));
    }

    @Test
    void batchesThatFailWhole() {
        String url = newQueue(Map.of());
        SendMessageBatchRequestEntry one = entry("a", "x");
        batchFails(EmptyBatchRequestException.class, "EmptyBatchRequest", url, List.of());
        batchFails(BatchEntryIdsNotDistinctException.class, "BatchEntryIdsNotDistinct", url, List.of(one, one));
        batchFails(InvalidBatchEntryIdException.class, "InvalidBatchEntryId", url, List.of(entry("not an id", "x")));
        List<SendMessageBatchRequestEntry> many = new ArrayList<>();
        IntStream.range(0, 11).forEach(i -> many.add(entry("" + i, "x")));
        batchFails(TooManyEntriesInBatchRequestException.class, "TooManyEntriesInBatchRequest", url, many);
        List<SendMessageBatchRequestEntry> large = new ArrayList<>();
        IntStream.range(0, 10).forEach(i -> large.add(entry("" + i, "x".repeat(200_000))));
        batchFails(BatchRequestTooLongException.class, "BatchRequestTooLong", url, large);
    }

    @Test
    void errors() {
        String url = newQueue(Map.of());
        fails(QueueDoesNotExistException.class, AWS + "NonExistentQueue", 400, () -> receive(url + "-missing"));
        fails(InvalidMessageContentsException.class, "InvalidMessageContents", 400, () -> send(url, "\0"));
        fails(ReceiptHandleIsInvalidException.class, "ReceiptHandleIsInvalid", 404,
                () -> CLIENT.deleteMessage(r -> r.queueUrl(url).receiptHandle("nonsense")));
        fails(InvalidAttributeNameException.class, "InvalidAttributeName", 400, () -> CLIENT.setQueueAttributes(
                r -> r.queueUrl(url).attributesWithStrings(Map.of("Colour", "blue"))));
        fails(InvalidAttributeValueException.class, "InvalidAttributeValue", 400, () -> CLIENT.setQueueAttributes(
                r -> r.queueUrl(url).attributes(Map.of(QueueAttributeName.DELAY_SECONDS, "901"))));
        fails(SqsException.class, "InvalidParameterValue", 400, () -> receive(url, r -> r.maxNumberOfMessages(11)));
    }
}
