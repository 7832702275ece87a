//! The whole life of a message, and the errors, as the SDK for Rust sees them.

use std::time::{Duration, Instant};

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use sluice_client_rust::{attribute, bodies, client, counters, failed, new_name, new_queue, receive};
use tokio::time::sleep;

fn value(kind: &str) -> aws_sdk_sqs::types::builders::MessageAttributeValueBuilder {
    MessageAttributeValue::builder().data_type(kind)
}

fn entry(id: impl Into<String>, body: impl Into<String>) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
}

fn doomed(id: &str, handle: &str) -> DeleteMessageBatchRequestEntry {
    DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().unwrap()
}

#[tokio::test]
async fn queues() {
    let client = client();
    let url = new_queue(&client, &[(QueueAttributeName::VisibilityTimeout, "40")]).await;
    let name = url.rsplit('/').next().unwrap();
    assert_eq!(url, format!("{}/000000000000/{name}", std::env::var("SLUICE_ENDPOINT").unwrap()));
    let found = client.get_queue_url().queue_name(name).send().await.unwrap();
    assert_eq!(found.queue_url(), Some(url.as_str()));
    let listed = client.list_queues().queue_name_prefix(name).send().await.unwrap();
    assert_eq!(listed.queue_urls(), [url.as_str()]);
    let again = client.create_queue().queue_name(name).send().await.unwrap();
    assert_eq!(again.queue_url(), Some(url.as_str()));
    let other =
        client.create_queue().queue_name(name).attributes(QueueAttributeName::VisibilityTimeout, "41");
    assert!(failed(other.send().await, "QueueAlreadyExists").is_queue_name_exists());

    client.tag_queue().queue_url(&url).tags("a", "1").tags("b", "2").send().await.unwrap();
    client.untag_queue().queue_url(&url).tag_keys("a").send().await.unwrap();
    let tags = client.list_queue_tags().queue_url(&url).send().await.unwrap().tags.unwrap();
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("b".to_string(), "2".to_string())]);

    let set = client.set_queue_attributes().queue_url(&url).attributes(QueueAttributeName::DelaySeconds, "7");
    set.send().await.unwrap();
    assert_eq!(attribute(&client, &url, QueueAttributeName::DelaySeconds).await, "7");
    assert_eq!(attribute(&client, &url, QueueAttributeName::VisibilityTimeout).await, "40");

    client.delete_queue().queue_url(&url).send().await.unwrap();
    let gone = client.get_queue_url().queue_name(name).send().await;
    assert!(failed(gone, "AWS.SimpleQueueService.NonExistentQueue").is_queue_does_not_exist());
    let early = client.create_queue().queue_name(name).send().await;
    assert!(failed(early, "AWS.SimpleQueueService.QueueDeletedRecently").is_queue_deleted_recently());
}

#[tokio::test]
async fn queues_page_by_page() {
    let client = client();
    let prefix = new_name();
    for i in 0..3 {
        client.create_queue().queue_name(format!("{prefix}-{i}")).send().await.unwrap();
    }
    let mut pages = client.list_queues().queue_name_prefix(&prefix).max_results(2).into_paginator().send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.unwrap().queue_urls().len());
    }
    assert_eq!(sizes, [2, 1]);
}

#[tokio::test]
async fn message() {
    let client = client();
    let url = new_queue(&client, &[]).await;
    let body = "\t\r\n<&>\"' é 漢字 \u{1F600}";
    let sent = client
        .send_message()
        .queue_url(&url)
        .message_body(body)
        .message_attributes("color", value("String").string_value("blue").build().unwrap())
        .message_attributes("count", value("Number").string_value("3").build().unwrap())
        .message_attributes("blob", value("Binary").binary_value(Blob::new([1, 2, 3])).build().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(sent.md5_of_message_attributes(), Some("d838729972a4b70e2d2acd9d59ac847c"));
    let got = receive(&client, &url, 30, 0).await;
    assert_eq!(bodies(&got), [body]);
    assert_eq!(got[0].message_id(), sent.message_id());
    assert_eq!(got[0].md5_of_body(), sent.md5_of_message_body());
    let attributes = got[0].message_attributes().unwrap();
    assert_eq!(attributes.len(), 3);
    assert_eq!(attributes["blob"].binary_value().unwrap().as_ref(), [1, 2, 3]);
    let system = got[0].attributes().unwrap();
    assert_eq!(system[&MessageSystemAttributeName::ApproximateReceiveCount], "1");
    assert!(receive(&client, &url, 30, 0).await.is_empty());
    assert_eq!(counters(&client, &url).await, ["0", "1", "0"]);
    let handle = got[0].receipt_handle().unwrap();
    let change =
        client.change_message_visibility().queue_url(&url).receipt_handle(handle).visibility_timeout(0);
    change.send().await.unwrap();
    let got = receive(&client, &url, 30, 0).await;
    let handle = got[0].receipt_handle().unwrap();
    client.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
    assert_eq!(counters(&client, &url).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn batches() {
    let client = client();
    let url = new_queue(&client, &[]).await;
    let late = SendMessageBatchRequestEntry::builder().id("b").message_body("b").delay_seconds(901);
    let request = client.send_message_batch().queue_url(&url).entries(entry("a", "a"));
    let sent = request.entries(late.build().unwrap()).send().await.unwrap();
    assert_eq!((sent.successful().len(), sent.failed().len()), (1, 1));
    let failure = &sent.failed()[0];
    assert_eq!((failure.id(), failure.code(), failure.sender_fault()), ("b", "InvalidParameterValue", true));
    let got = receive(&client, &url, 30, 0).await;
    let handle = got[0].receipt_handle().unwrap();
    let mut change = client.change_message_visibility_batch().queue_url(&url);
    for (id, handle) in [("right", handle), ("wrong", "nonsense")] {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id).receipt_handle(handle);
        change = change.entries(entry.visibility_timeout(60).build().unwrap());
    }
    let changed = change.send().await.unwrap();
    assert_eq!((changed.successful().len(), changed.failed().len()), (1, 1));
    let delete = client.delete_message_batch().queue_url(&url).entries(doomed("right", handle));
    let deleted = delete.entries(doomed("wrong", "nonsense")).send().await.unwrap();
    assert_eq!(deleted.successful()[0].id(), "right");
    assert_eq!(deleted.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert_eq!(counters(&client, &url).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn long_poll_is_woken() {
    let client = client();
    let url = new_queue(&client, &[]).await;
    let poll = || {
        let (client, url) = (client.clone(), url.clone());
        tokio::spawn(async move { (receive(&client, &url, 60, 15).await, Instant::now()) })
    };
    let waiting = poll();
    sleep(Duration::from_millis(300)).await;
    let since = Instant::now();
    client.send_message().queue_url(&url).message_body("wake").send().await.unwrap();
    let (got, at) = waiting.await.unwrap();
    assert_eq!(bodies(&got), ["wake"]);
    assert!(at - since < Duration::from_secs(1), "woken after {:?}", at - since);

    let waiting = poll();
    sleep(Duration::from_millis(300)).await;
    let since = Instant::now();
    let handle = got[0].receipt_handle().unwrap();
    let change =
        client.change_message_visibility().queue_url(&url).receipt_handle(handle).visibility_timeout(0);
    change.send().await.unwrap();
    let (got, at) = waiting.await.unwrap();
    assert_eq!(bodies(&got), ["wake"]);
    assert!(at - since < Duration::from_secs(1), "woken after {:?}", at - since);
}

#[tokio::test]
async fn delay_and_visibility_end() {
    let client = client();
    let url = new_queue(&client, &[]).await;
    client.send_message().queue_url(&url).message_body("late").delay_seconds(1).send().await.unwrap();
    assert!(receive(&client, &url, 30, 0).await.is_empty());
    assert_eq!(counters(&client, &url).await, ["0", "0", "1"]);
    let since = Instant::now();
    assert_eq!(bodies(&receive(&client, &url, 1, 10).await), ["late"]);
    assert_eq!(bodies(&receive(&client, &url, 1, 10).await), ["late"]);
    assert!(since.elapsed() < Duration::from_secs(4), "woken after {:?}", since.elapsed());
}

#[tokio::test]
async fn fifo() {
    let client = client();
    let attributes =
        [(QueueAttributeName::FifoQueue, "true"), (QueueAttributeName::ContentBasedDeduplication, "true")];
    let url = new_queue(&client, &attributes).await;
    let mut sent = Vec::new();
    for (body, group) in [("a1", "a"), ("a1", "a"), ("a2", "a"), ("b1", "b")] {
        let request = client.send_message().queue_url(&url).message_body(body).message_group_id(group);
        sent.push(request.send().await.unwrap());
    }
    assert_eq!(sent[0].message_id(), sent[1].message_id());
    assert_eq!(sent[0].sequence_number(), sent[1].sequence_number());
    assert!(sent[2].sequence_number() > sent[0].sequence_number());
    let one = client.receive_message().queue_url(&url).send().await.unwrap().messages.unwrap();
    assert_eq!(bodies(&one), ["a1"]);
    assert_eq!(bodies(&receive(&client, &url, 30, 0).await), ["b1"]);
    let handle = one[0].receipt_handle().unwrap();
    client.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
    assert_eq!(bodies(&receive(&client, &url, 30, 0).await), ["a2"]);
    failed(client.send_message().queue_url(&url).message_body("x").send().await, "MissingParameter");
}

#[tokio::test]
async fn dead_letters() {
    let client = client();
    let dead = new_queue(&client, &[]).await;
    let arn = attribute(&client, &dead, QueueAttributeName::QueueArn).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":1}}"#);
    let source = new_queue(&client, &[(QueueAttributeName::RedrivePolicy, &policy)]).await;
    let listed = client.list_dead_letter_source_queues().queue_url(&dead).send().await.unwrap();
    assert_eq!(listed.queue_urls(), [source.as_str()]);
    client.send_message().queue_url(&source).message_body("poison").send().await.unwrap();
    let first = receive(&client, &source, 0, 0).await;
    assert_eq!(bodies(&first), ["poison"]);
    assert!(receive(&client, &source, 0, 0).await.is_empty());
    let moved = receive(&client, &dead, 0, 5).await;
    assert_eq!(moved[0].message_id(), first[0].message_id());
    let origin = &moved[0].attributes().unwrap()[&MessageSystemAttributeName::DeadLetterQueueSourceArn];
    assert_eq!(*origin, attribute(&client, &source, QueueAttributeName::QueueArn).await);

    let started = client.start_message_move_task().source_arn(&arn).send().await.unwrap();
    assert_eq!(bodies(&receive(&client, &source, 60, 5).await), ["poison"]);
    let mut tries = 0;
    let task = loop {
        sleep(Duration::from_millis(100)).await;
        let tasks = client.list_message_move_tasks().source_arn(&arn).send().await.unwrap();
        let task = tasks.results()[0].clone();
        tries += 1;
        if task.status() != Some("RUNNING") || tries == 100 {
            break task;
        }
    };
    assert_eq!(task.status(), Some("COMPLETED"));
    assert_eq!(task.approximate_number_of_messages_moved(), 1);
    let cancel = client.cancel_message_move_task().task_handle(started.task_handle().unwrap());
    assert!(failed(cancel.send().await, "ResourceNotFoundException").is_resource_not_found_exception());
}

#[tokio::test]
async fn purge() {
    let client = client();
    let url = new_queue(&client, &[]).await;
    client.send_message().queue_url(&url).message_body("x").send().await.unwrap();
    client.purge_queue().queue_url(&url).send().await.unwrap();
    assert!(receive(&client, &url, 30, 0).await.is_empty());
    let again = client.purge_queue().queue_url(&url).send().await;
    assert!(failed(again, "AWS.SimpleQueueService.PurgeQueueInProgress").is_purge_queue_in_progress());
}

#[tokio::test]
async fn batches_that_fail_whole() {
    let client = client();
    let url = new_queue(&client, &[]).await;
    let send = |entries: Vec<SendMessageBatchRequestEntry>| {
        client.send_message_batch().queue_url(&url).set_entries(Some(entries)).send()
    };
    let code = |name: &str| format!("AWS.SimpleQueueService.{name}");
    assert!(failed(send(vec![]).await, &code("EmptyBatchRequest")).is_empty_batch_request());
    let twice = vec![entry("a", "x"), entry("a", "x")];
    let error = failed(send(twice).await, &code("BatchEntryIdsNotDistinct"));
    assert!(error.is_batch_entry_ids_not_distinct());
    let error = failed(send(vec![entry("not an id", "x")]).await, &code("InvalidBatchEntryId"));
    assert!(error.is_invalid_batch_entry_id());
    let many = (0..11).map(|i| entry(i.to_string(), "x")).collect();
    let error = failed(send(many).await, &code("TooManyEntriesInBatchRequest"));
    assert!(error.is_too_many_entries_in_batch_request());
    let long = (0..10).map(|i| entry(i.to_string(), "x".repeat(200_000))).collect();
    assert!(failed(send(long).await, &code("BatchRequestTooLong")).is_batch_request_too_long());
}

#[tokio::test]
async fn errors() {
    let client = client();
    let url = new_queue(&client, &[]).await;
    let missing = client.receive_message().queue_url(format!("{url}-missing")).send().await;
    let error = failed(missing, "AWS.SimpleQueueService.NonExistentQueue");
    assert!(error.is_queue_does_not_exist());
    let sent = client.send_message().queue_url(&url).message_body("\0").send().await;
    assert!(failed(sent, "InvalidMessageContents").is_invalid_message_contents());
    let deleted = client.delete_message().queue_url(&url).receipt_handle("nonsense").send().await;
    assert!(failed(deleted, "ReceiptHandleIsInvalid").is_receipt_handle_is_invalid());
    let set = |name: QueueAttributeName, value: &str| {
        client.set_queue_attributes().queue_url(&url).attributes(name, value).send()
    };
    let error = failed(set(QueueAttributeName::from("Colour"), "blue").await, "InvalidAttributeName");
    assert!(error.is_invalid_attribute_name());
    let error = failed(set(QueueAttributeName::DelaySeconds, "901").await, "InvalidAttributeValue");
    assert!(error.is_invalid_attribute_value());
    let many = client.receive_message().queue_url(&url).max_number_of_messages(11).send().await;
    failed(many, "InvalidParameterValue");
}
