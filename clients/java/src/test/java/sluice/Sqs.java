package sluice;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Consumer;
import org.junit.jupiter.api.function.Executable;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.ReceiveMessageRequest;
import software.amazon.awssdk.services.sqs.model.SqsException;

/** A client of the server that SLUICE_ENDPOINT names, and small helpers that the tests share. */
final class Sqs {
    static final String ENDPOINT = System.getenv("SLUICE_ENDPOINT");
    static final SqsClient CLIENT = client();

    private Sqs() {}

    private static SqsClient client() {
        if (ENDPOINT == null) {
            throw new IllegalStateException("SLUICE_ENDPOINT names the server");
        }
        return SqsClient.builder()
                .endpointOverride(URI.create(ENDPOINT))
                .region(Region.US_EAST_1)
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
                .httpClient(UrlConnectionHttpClient.create())
                .overrideConfiguration(o -> o.retryStrategy(DefaultRetryStrategy.doNotRetry()))
                .build();
    }

    static String newQueue(Map<QueueAttributeName, String> attributes) {
        String suffix = attributes.containsKey(QueueAttributeName.FIFO_QUEUE) ? ".fifo" : "";
        String name = UUID.randomUUID() + suffix;
        return CLIENT.createQueue(r -> r.queueName(name).attributes(attributes)).queueUrl();
    }

    static String attribute(String url, QueueAttributeName name) {
        return CLIENT.getQueueAttributes(r -> r.queueUrl(url).attributeNames(name)).attributes().get(name);
    }

    /** Visible, in flight, delayed. */
    static List<String> counters(String url) {
        return List.of(
                attribute(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES),
                attribute(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE),
                attribute(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_DELAYED));
    }

    /** Up to ten messages, with all their attributes, unless the caller says otherwise. */
    static List<Message> receive(String url, Consumer<ReceiveMessageRequest.Builder> more) {
        ReceiveMessageRequest.Builder request = ReceiveMessageRequest.builder()
                .queueUrl(url)
                .maxNumberOfMessages(10)
                .messageAttributeNames("All")
                .messageSystemAttributeNames(MessageSystemAttributeName.ALL);
        more.accept(request);
        return CLIENT.receiveMessage(request.build()).messages();
    }

    static List<Message> receive(String url) {
        return receive(url, request -> {});
    }

    static List<String> bodies(List<Message> messages) {
        return messages.stream().map(Message::body).toList();
    }

    /** The call must fail with exactly this exception class, code and HTTP status. */
    static void fails(Class<? extends SqsException> kind, String code, int status, Executable call) {
        SqsException error = assertThrows(SqsException.class, call);
        assertEquals(kind, error.getClass(), error.getMessage());
        assertEquals(code, error.awsErrorDetails().errorCode());
        assertEquals(status, error.statusCode());
    }
}
