//! Drives Sluice with the AWS SDK for Rust: a client and small helpers that the tests share.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use aws_smithy_http_client::Builder;

/// A client of the server that `SLUICE_ENDPOINT` names.
pub fn client() -> Client {
    let endpoint = std::env::var("SLUICE_ENDPOINT").expect("SLUICE_ENDPOINT names the server");
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// A name that no other queue of this server has.
pub fn new_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("rust-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Makes a queue with these attributes; `FifoQueue` among them makes it a FIFO queue.
pub async fn new_queue(client: &Client, attributes: &[(QueueAttributeName, &str)]) -> String {
    let attributes: HashMap<_, _> =
        attributes.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
    let suffix = if attributes.contains_key(&QueueAttributeName::FifoQueue) { ".fifo" } else { "" };
    let request = client.create_queue().queue_name(new_name() + suffix).set_attributes(Some(attributes));
    request.send().await.expect("CreateQueue").queue_url.expect("QueueUrl")
}

/// One attribute of a queue.
pub async fn attribute(client: &Client, url: &str, name: QueueAttributeName) -> String {
    let request = client.get_queue_attributes().queue_url(url).attribute_names(name.clone());
    let found = request.send().await.expect("GetQueueAttributes").attributes.expect("Attributes");
    found[&name].clone()
}

/// Visible, in flight, delayed.
pub async fn counters(client: &Client, url: &str) -> [String; 3] {
    [
        attribute(client, url, QueueAttributeName::ApproximateNumberOfMessages).await,
        attribute(client, url, QueueAttributeName::ApproximateNumberOfMessagesNotVisible).await,
        attribute(client, url, QueueAttributeName::ApproximateNumberOfMessagesDelayed).await,
    ]
}

/// Up to ten messages, hidden for so many seconds, waiting as long for the first.
pub async fn receive(client: &Client, url: &str, hide: i32, wait: i32) -> Vec<Message> {
    let request = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(10)
        .visibility_timeout(hide)
        .wait_time_seconds(wait)
        .message_attribute_names("All")
        .message_system_attribute_names(MessageSystemAttributeName::All);
    request.send().await.expect("ReceiveMessage").messages.unwrap_or_default()
}

/// The bodies of messages.
pub fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body().expect("Body")).collect()
}

/// The service error that the call must have failed with, having checked its code.
pub fn failed<T: Debug, E: ProvideErrorMetadata + Debug>(result: Result<T, SdkError<E>>, code: &str) -> E {
    let error = match result.expect_err("the call must fail") {
        SdkError::ServiceError(error) => error.into_err(),
        other => panic!("not an answer of the service: {other:?}"),
    };
    assert_eq!(error.code(), Some(code), "{error:?}");
    assert!(error.message().is_some_and(|text| !text.is_empty()), "{error:?}");
    error
}
