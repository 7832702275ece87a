package life

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

var (
	ctx    = context.Background()
	client = newClient()
)

func newClient() *sqs.Client {
	endpoint := os.Getenv("SLUICE_ENDPOINT")
	if endpoint == "" {
		panic("SLUICE_ENDPOINT names the server")
	}
	return sqs.New(sqs.Options{
		BaseEndpoint: aws.String(endpoint),
		Region:       "us-east-1",
		HTTPClient:   &http.Client{Timeout: 30 * time.Second},
		Retryer:      aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
}

// newQueue makes a queue of the test's own, deleted after it.
func newQueue(t *testing.T, attributes map[string]string) *string {
	t.Helper()
	name := rand.Text()
	if attributes["FifoQueue"] != "" {
		name += ".fifo"
	}
	made, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	ok(t, err)
	t.Cleanup(func() {
		_, err := client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: made.QueueUrl})
		if gone := new(types.QueueDoesNotExist); !errors.As(err, &gone) {
			ok(t, err)
		}
	})
	return made.QueueUrl
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, found, wanted T) {
	t.Helper()
	if found != wanted {
		t.Fatalf("found %v, wanted %v", found, wanted)
	}
}

// fails checks that err is of exception class E, and came with this HTTP status.
func fails[E error](t *testing.T, err error, status int) {
	t.Helper()
	var class E
	if !errors.As(err, &class) {
		t.Fatalf("wanted %T, found %v", class, err)
	}
	var response *awshttp.ResponseError
	if !errors.As(err, &response) || response.HTTPStatusCode() != status {
		t.Fatalf("wanted status %d, found %v", status, err)
	}
}

// failsWith checks the code of an error that the SDK has no class for.
func failsWith(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("wanted %s, found %v", code, err)
	}
	equal(t, api.ErrorCode(), code)
}

func attribute(t *testing.T, url *string, name types.QueueAttributeName) string {
	t.Helper()
	reply, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: url, AttributeNames: []types.QueueAttributeName{name},
	})
	ok(t, err)
	return reply.Attributes[string(name)]
}

// counters are visible, in flight, delayed.
func counters(t *testing.T, url *string) (found [3]int) {
	t.Helper()
	for i, name := range []string{"", "NotVisible", "Delayed"} {
		text := attribute(t, url, types.QueueAttributeName("ApproximateNumberOfMessages"+name))
		n, err := strconv.Atoi(text)
		ok(t, err)
		found[i] = n
	}
	return found
}

func send(t *testing.T, in sqs.SendMessageInput) *sqs.SendMessageOutput {
	t.Helper()
	sent, err := client.SendMessage(ctx, &in)
	ok(t, err)
	return sent
}

// receive asks for up to ten messages, unless in says otherwise.
func receive(t *testing.T, in sqs.ReceiveMessageInput) []types.Message {
	t.Helper()
	if in.MaxNumberOfMessages == 0 {
		in.MaxNumberOfMessages = 10
	}
	reply, err := client.ReceiveMessage(ctx, &in)
	ok(t, err)
	return reply.Messages
}

func wantBodies(t *testing.T, messages []types.Message, wanted ...string) {
	t.Helper()
	var found []string
	for _, message := range messages {
		found = append(found, *message.Body)
	}
	if len(found) != len(wanted) {
		t.Fatalf("found %q, wanted %q", found, wanted)
	}
	for i := range found {
		equal(t, found[i], wanted[i])
	}
}
