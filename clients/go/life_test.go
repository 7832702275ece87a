package life

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var text = aws.String

func TestQueues(t *testing.T) {
	url := newQueue(t, map[string]string{"VisibilityTimeout": "40"})
	name := (*url)[strings.LastIndex(*url, "/")+1:]
	equal(t, *url, os.Getenv("SLUICE_ENDPOINT")+"/000000000000/"+name)
	found, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	ok(t, err)
	equal(t, *found.QueueUrl, *url)
	listed, err := client.ListQueues(ctx, &sqs.ListQueuesInput{QueueNamePrefix: &name})
	ok(t, err)
	equal(t, len(listed.QueueUrls), 1)
	again, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
	ok(t, err)
	equal(t, *again.QueueUrl, *url)
	_, err = client.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: &name, Attributes: map[string]string{"VisibilityTimeout": "41"},
	})
	fails[*types.QueueNameExists](t, err, 400)

	_, err = client.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: url, Tags: map[string]string{"a": "1", "b": "2"}})
	ok(t, err)
	_, err = client.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: url, TagKeys: []string{"a"}})
	ok(t, err)
	tags, err := client.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: url})
	ok(t, err)
	equal(t, fmt.Sprint(tags.Tags), "map[b:2]")

	_, err = client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: url, Attributes: map[string]string{"DelaySeconds": "7"},
	})
	ok(t, err)
	equal(t, attribute(t, url, "DelaySeconds"), "7")
	equal(t, attribute(t, url, "VisibilityTimeout"), "40")

	_, err = client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: url})
	ok(t, err)
	_, err = client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	fails[*types.QueueDoesNotExist](t, err, 400)
	_, err = client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
	fails[*types.QueueDeletedRecently](t, err, 400)
}

func TestMessage(t *testing.T) {
	url := newQueue(t, nil)
	body := "\t\r\n<&>\"' é 漢字 \U0001F600"
	sent := send(t, sqs.SendMessageInput{QueueUrl: url, MessageBody: &body,
		MessageAttributes: map[string]types.MessageAttributeValue{
			"color": {DataType: text("String"), StringValue: text("blue")},
			"count": {DataType: text("Number"), StringValue: text("3")},
			"blob":  {DataType: text("Binary"), BinaryValue: []byte{1, 2, 3}},
		}})
	equal(t, *sent.MD5OfMessageAttributes, "d838729972a4b70e2d2acd9d59ac847c")
	got := receive(t, sqs.ReceiveMessageInput{QueueUrl: url, MessageAttributeNames: []string{"co.*"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
	wantBodies(t, got, body)
	equal(t, *got[0].MessageId, *sent.MessageId)
	equal(t, *got[0].MD5OfBody, *sent.MD5OfMessageBody)
	equal(t, len(got[0].MessageAttributes), 2)
	equal(t, *got[0].MessageAttributes["color"].StringValue, "blue")
	equal(t, got[0].Attributes["ApproximateReceiveCount"], "1")
	wantBodies(t, receive(t, sqs.ReceiveMessageInput{QueueUrl: url}))
	equal(t, counters(t, url), [3]int{0, 1, 0})
	_, err := client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: url, ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 0,
	})
	ok(t, err)
	got = receive(t, sqs.ReceiveMessageInput{QueueUrl: url})
	wantBodies(t, got, body)
	_, err = client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: got[0].ReceiptHandle})
	ok(t, err)
	equal(t, counters(t, url), [3]int{0, 0, 0})
}

func TestBatches(t *testing.T) {
	url := newQueue(t, nil)
	sent, err := client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: url,
		Entries: []types.SendMessageBatchRequestEntry{
			{Id: text("a"), MessageBody: text("a")},
			{Id: text("b"), MessageBody: text("b"), DelaySeconds: 901},
		}})
	ok(t, err)
	equal(t, len(sent.Successful), 1)
	equal(t, len(sent.Failed), 1)
	equal(t, *sent.Failed[0].Id+" "+*sent.Failed[0].Code, "b InvalidParameterValue")
	equal(t, sent.Failed[0].SenderFault, true)
	handle := receive(t, sqs.ReceiveMessageInput{QueueUrl: url})[0].ReceiptHandle
	changed, err := client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url,
		Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: text("right"), ReceiptHandle: handle, VisibilityTimeout: 60},
			{Id: text("wrong"), ReceiptHandle: text("nonsense"), VisibilityTimeout: 60},
		}})
	ok(t, err)
	equal(t, fmt.Sprint(len(changed.Successful), len(changed.Failed)), "1 1")
	deleted, err := client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: url,
		Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: text("right"), ReceiptHandle: handle},
			{Id: text("wrong"), ReceiptHandle: text("nonsense")},
		}})
	ok(t, err)
	equal(t, *deleted.Successful[0].Id, "right")
	equal(t, *deleted.Failed[0].Code, "ReceiptHandleIsInvalid")
	equal(t, counters(t, url), [3]int{0, 0, 0})
}

func TestLongPollIsWoken(t *testing.T) {
	url := newQueue(t, nil)
	poll := func() chan []types.Message {
		arrived := make(chan []types.Message, 1)
		go func() {
			reply, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
				QueueUrl: url, WaitTimeSeconds: 15, VisibilityTimeout: 60,
			})
			if err != nil {
				t.Error(err)
				reply = &sqs.ReceiveMessageOutput{}
			}
			arrived <- reply.Messages
		}()
		time.Sleep(300 * time.Millisecond)
		return arrived
	}
	within := func(arrived chan []types.Message) []types.Message {
		select {
		case messages := <-arrived:
			return messages
		case <-time.After(time.Second):
			t.Fatal("not woken within a second")
			return nil
		}
	}
	waiting := poll()
	send(t, sqs.SendMessageInput{QueueUrl: url, MessageBody: text("wake")})
	got := within(waiting)
	wantBodies(t, got, "wake")
	waiting = poll()
	_, err := client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: url, ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 0,
	})
	ok(t, err)
	wantBodies(t, within(waiting), "wake")
}

func TestDelayAndVisibilityEnd(t *testing.T) {
	url := newQueue(t, nil)
	send(t, sqs.SendMessageInput{QueueUrl: url, MessageBody: text("late"), DelaySeconds: 1})
	wantBodies(t, receive(t, sqs.ReceiveMessageInput{QueueUrl: url}))
	equal(t, counters(t, url), [3]int{0, 0, 1})
	since := time.Now()
	for range 2 {
		got := receive(t, sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 10, VisibilityTimeout: 1})
		wantBodies(t, got, "late")
	}
	if took := time.Since(since); took > 4*time.Second {
		t.Fatalf("woken after %v", took)
	}
}

func TestFifo(t *testing.T) {
	url := newQueue(t, map[string]string{"FifoQueue": "true"})
	put := func(body, group string) *sqs.SendMessageOutput {
		return send(t, sqs.SendMessageInput{QueueUrl: url, MessageBody: &body,
			MessageGroupId: &group, MessageDeduplicationId: &body})
	}
	first, again, second := put("a1", "a"), put("a1", "a"), put("a2", "a")
	put("b1", "b")
	equal(t, *again.MessageId, *first.MessageId)
	equal(t, *again.SequenceNumber, *first.SequenceNumber)
	equal(t, *second.SequenceNumber > *first.SequenceNumber, true)
	head := receive(t, sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 1})
	wantBodies(t, head, "a1")
	wantBodies(t, receive(t, sqs.ReceiveMessageInput{QueueUrl: url}), "b1")
	_, err := client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: head[0].ReceiptHandle})
	ok(t, err)
	wantBodies(t, receive(t, sqs.ReceiveMessageInput{QueueUrl: url}), "a2")
	_, err = client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: text("x")})
	failsWith(t, err, "MissingParameter")
}

func TestDeadLetters(t *testing.T) {
	dead := newQueue(t, nil)
	arn := attribute(t, dead, "QueueArn")
	source := newQueue(t, map[string]string{
		"VisibilityTimeout": "0",
		"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"1"}`, arn),
	})
	listed, err := client.ListDeadLetterSourceQueues(ctx, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: dead})
	ok(t, err)
	equal(t, fmt.Sprint(listed.QueueUrls), fmt.Sprint([]string{*source}))
	send(t, sqs.SendMessageInput{QueueUrl: source, MessageBody: text("poison")})
	first := receive(t, sqs.ReceiveMessageInput{QueueUrl: source})
	wantBodies(t, first, "poison")
	wantBodies(t, receive(t, sqs.ReceiveMessageInput{QueueUrl: source}))
	moved := receive(t, sqs.ReceiveMessageInput{QueueUrl: dead, WaitTimeSeconds: 5,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
	wantBodies(t, moved, "poison")
	equal(t, *moved[0].MessageId, *first[0].MessageId)
	equal(t, moved[0].Attributes["DeadLetterQueueSourceArn"], attribute(t, source, "QueueArn"))
	_, err = client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: dead, ReceiptHandle: moved[0].ReceiptHandle, VisibilityTimeout: 0,
	})
	ok(t, err)

	started, err := client.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
	ok(t, err)
	wantBodies(t, receive(t, sqs.ReceiveMessageInput{QueueUrl: source, WaitTimeSeconds: 5, VisibilityTimeout: 60}), "poison")
	task := types.ListMessageMoveTasksResultEntry{Status: text("RUNNING")}
	for tries := 0; *task.Status == "RUNNING" && tries < 100; tries++ {
		time.Sleep(100 * time.Millisecond)
		tasks, err := client.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: &arn})
		ok(t, err)
		task = tasks.Results[0]
	}
	equal(t, *task.Status, "COMPLETED")
	equal(t, task.ApproximateNumberOfMessagesMoved, 1)
	_, err = client.CancelMessageMoveTask(ctx, &sqs.CancelMessageMoveTaskInput{TaskHandle: started.TaskHandle})
	fails[*types.ResourceNotFoundException](t, err, 404)
}

func TestPurge(t *testing.T) {
	url := newQueue(t, nil)
	send(t, sqs.SendMessageInput{QueueUrl: url, MessageBody: text("x")})
	_, err := client.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: url})
	ok(t, err)
	wantBodies(t, receive(t, sqs.ReceiveMessageInput{QueueUrl: url}))
	_, err = client.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: url})
	fails[*types.PurgeQueueInProgress](t, err, 403)
}

func TestErrors(t *testing.T) {
	url := newQueue(t, nil)
	_, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: text(*url + "-missing")})
	fails[*types.QueueDoesNotExist](t, err, 400)
	batch := func(entries ...types.SendMessageBatchRequestEntry) error {
		if entries == nil {
			entries = []types.SendMessageBatchRequestEntry{}
		}
		_, err := client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: url, Entries: entries})
		return err
	}
	entry := func(id, body string) types.SendMessageBatchRequestEntry {
		return types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
	}
	fails[*types.EmptyBatchRequest](t, batch(), 400)
	fails[*types.BatchEntryIdsNotDistinct](t, batch(entry("a", "x"), entry("a", "x")), 400)
	fails[*types.InvalidBatchEntryId](t, batch(entry("not an id", "x")), 400)
	var many, long []types.SendMessageBatchRequestEntry
	for i := range 11 {
		many = append(many, entry(fmt.Sprint(i), "x"))
		long = append(long, entry(fmt.Sprint(i), strings.Repeat("x", 200_000)))
	}
	fails[*types.TooManyEntriesInBatchRequest](t, batch(many...), 400)
	fails[*types.BatchRequestTooLong](t, batch(long[:10]...), 400)
	_, err = client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: text("\x00")})
	fails[*types.InvalidMessageContents](t, err, 400)
	_, err = client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: text("nonsense")})
	fails[*types.ReceiptHandleIsInvalid](t, err, 404)
	set := func(name, value string) error {
		_, err := client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
			QueueUrl: url, Attributes: map[string]string{name: value},
		})
		return err
	}
	fails[*types.InvalidAttributeName](t, set("Colour", "blue"), 400)
	fails[*types.InvalidAttributeValue](t, set("DelaySeconds", "901"), 400)
	_, err = client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 11})
	failsWith(t, err, "InvalidParameterValue")
}
