//! From a client's request to the state machine that decides it: found, authorised, handed over.

use std::sync::Arc;

use auth::{Identity, Permit, Resource, authorize};
use engine::catalogue::{Catalogue, Verdict};
use engine::command::{Caller, Command, Facts, Internal};
use engine::handle::{decode_task, no_such_task};
use engine::message::Md5;
use engine::request::ReceiveMessage;
use engine::rows::QueueRow;
use engine::{Code, Error, Lsn, Millis, QueueId, QueueName, Request, Secret, message};
use store::Store;

use crate::held::{End, Pending};
use crate::job::{Job, Origin, internal_failure};
use crate::turn::Arrival;
use crate::{Node, RequestId};

/// A request to the catalogue, kept while the queue it makes is installed in its slot.
#[derive(Debug)]
pub(crate) struct Administration {
    pub id: RequestId,
    pub identity: Arc<Identity>,
    pub request: Request,
    pub route: Lsn,
    pub made: Option<Box<QueueRow>>,
    pub tries: u32,
}

/// A queue of a name that others keep making and deleting is tried this often.
const TRIES: u32 = 10;

impl<S: Store> Node<S> {
    /// Takes one request from its arrival to its decision.
    pub(crate) fn request(&mut self, arrival: Arrival, digests: &[Md5]) {
        let Arrival { id, identity, request, arrived } = arrival;
        let (permit, queue, route) =
            match admit(&self.catalogue, &self.secret, self.so_far(), &identity, &request) {
                Ok((permit, queue, route)) => (permit, queue.map(|row| row.id), route),
                Err((error, rests)) => return self.refuse(id, error, rests),
            };
        match (request, queue) {
            (request, _) if is_catalogues(&request) => {
                let administration = Administration { id, identity, request, route, made: None, tries: 0 };
                self.manage(permit, administration);
            }
            (request @ (Request::SendMessage { .. } | Request::SendMessageBatch { .. }), Some(queue)) => {
                self.send(permit, (id, route), queue, &identity.caller, (request, digests));
            }
            (Request::ReceiveMessage(receive), Some(queue)) => {
                self.receive(permit, (id, route), (queue, arrived), receive);
            }
            (request, Some(queue)) => {
                self.command(permit, (id, route), Command::Client { queue, arrived, request });
            }
            (_, None) => self.refuse(id, Error::no_such_queue(), route),
        }
    }

    pub(crate) fn refuse(&mut self, id: RequestId, error: Error, rests: Lsn) {
        self.reply_after(Pending { id, result: Err(error), undo: Vec::new() }, rests, Vec::new());
    }

    /// A receive's names are of contents, which the engine does not see, so they are checked here, before all else.
    fn receive(
        &mut self,
        permit: Permit,
        (id, route): (RequestId, Lsn),
        (queue, arrived): (QueueId, Millis),
        receive: ReceiveMessage,
    ) {
        if let Err(error) = message::check_system_names(&receive.message_system_attribute_names) {
            return self.refuse(id, error, route);
        }
        // One that comes now is not decided before older ones that could be by now.
        if self.waiters.any_at(queue) {
            self.stir();
        }
        let request = Request::ReceiveMessage(receive);
        self.command(permit, (id, route), Command::Client { queue, arrived, request });
    }

    /// Hands a command to the slot of its queue.
    pub(crate) fn command(&mut self, _permit: Permit, (id, route): (RequestId, Lsn), command: Command) {
        let mut job = Job { slot: 0, command, origin: Origin::Client { id, route }, needs: 0 };
        let Some(queue) = job.queue() else { return };
        job.slot = self.place(queue);
        self.decide(job, &Facts::default());
    }

    fn manage(&mut self, _permit: Permit, administration: Administration) {
        self.administer(administration);
    }

    /// Hands a request to the catalogue. A queue it makes is durable in its slot before it has a name.
    pub(crate) fn administer(&mut self, mut administration: Administration) {
        self.keep_batch_small();
        let lsn = self.store.next_lsn();
        let Administration { id, identity, request, route, made, .. } = &administration;
        let (id, route) = (*id, *route);
        let (caller, made) = (&identity.caller, made.as_deref());
        let verdict = self.catalogue.execute(self.now, lsn, &self.settings, caller, request, made);
        match verdict {
            Verdict::Done { reply, records, rests, then } => {
                self.batch.records.extend(records);
                self.weigh();
                self.reply_after(Pending { id, result: reply, undo: Vec::new() }, rests.max(route), then);
            }
            Verdict::First { row, numbered } => {
                self.batch.records.push(numbered);
                self.weigh();
                if administration.tries == TRIES {
                    self.refuse(id, internal_failure("The queue could not be made."), route);
                } else {
                    administration.tries += 1;
                    self.make(administration, row);
                }
            }
        }
    }

    /// Installs a queue in its slot; what it is made for goes on when it is durable there.
    fn make(&mut self, mut administration: Administration, row: Box<QueueRow>) {
        if let Some(unused) = administration.made.replace(row.clone()).filter(|old| old.id != row.id) {
            self.deliver(Internal::Remove(unused.id), None);
        }
        self.remember(administration.id);
        let flow = self.flows.begin(End::Name(Box::new(administration)));
        self.deliver(Internal::Install(row), Some(flow));
    }
}

/// What a request addresses, and whether its caller may: the one place where that is asked. The `Lsn` is that
/// of the catalogue entry the answer rests on, or `so_far`, that of all there is.
fn admit<'a>(
    catalogue: &'a Catalogue,
    secret: &Secret,
    so_far: Lsn,
    identity: &Identity,
    request: &Request,
) -> Result<(Permit, Option<&'a QueueRow>, Lsn), (Error, Lsn)> {
    let caller = &identity.caller;
    let (row, lsn, name) = match address(caller, request) {
        Address::Url(url) => {
            let (row, lsn) = catalogue.resolve(caller, url)?;
            (Some(row), lsn, None)
        }
        Address::Arn(arn) => {
            let name = QueueName::from_arn(arn);
            let found = name.and_then(|name| catalogue.named(&name));
            let (row, lsn) = found.ok_or_else(|| (no_such_source(), so_far))?;
            (Some(row), lsn, None)
        }
        Address::Task(handle) => {
            let key = decode_task(secret, handle).map_err(|error| (error, so_far))?;
            let (row, lsn) = catalogue.by_id(key.queue).ok_or_else(|| (no_such_task(), so_far))?;
            (Some(row), lsn, None)
        }
        Address::Name(name) => match catalogue.named(&name) {
            Some((row, lsn)) => (Some(row), lsn, Some(name)),
            None => (None, 0, Some(name)),
        },
        Address::Account => (None, 0, None),
    };
    let resource = match (row, &name) {
        (Some(row), _) => Resource::Queue(&row.name),
        (None, Some(name)) => Resource::Queue(name),
        (None, None) => Resource::Any,
    };
    let policy = row.and_then(|row| row.attributes.get("Policy")).map(String::as_str);
    let permit = authorize(identity, request.action(), resource, policy).map_err(|error| (error, lsn))?;
    Ok((permit, row, lsn))
}

fn no_such_source() -> Error {
    Error::new(
        Code::ResourceNotFound,
        "The resource that you specified for the SourceArn parameter doesn't exist.",
    )
}

/// How a request addresses what it is about.
enum Address<'a> {
    /// The queue of this URL.
    Url(&'a str),
    /// The queue of this ARN.
    Arn(&'a str),
    /// The source queue of the move task of this handle.
    Task(&'a str),
    /// A name that may not be there yet.
    Name(QueueName),
    /// An account.
    Account,
}

fn address<'a>(caller: &Caller, request: &'a Request) -> Address<'a> {
    let named = |owner: Option<&String>, name: &String| {
        let account = owner.unwrap_or(&caller.account).clone();
        Address::Name(QueueName { account, region: caller.region.clone(), name: name.clone() })
    };
    match request {
        Request::CreateQueue { queue_name, .. } => named(None, queue_name),
        Request::GetQueueUrl { queue_name, queue_owner_aws_account_id } => {
            named(queue_owner_aws_account_id.as_ref(), queue_name)
        }
        Request::ListQueues { .. } => Address::Account,
        Request::StartMessageMoveTask { source_arn, .. }
        | Request::ListMessageMoveTasks { source_arn, .. } => Address::Arn(source_arn),
        Request::CancelMessageMoveTask { task_handle } => Address::Task(task_handle),
        Request::AddPermission { queue_url, .. }
        | Request::ChangeMessageVisibility { queue_url, .. }
        | Request::ChangeMessageVisibilityBatch { queue_url, .. }
        | Request::DeleteMessage { queue_url, .. }
        | Request::DeleteMessageBatch { queue_url, .. }
        | Request::DeleteQueue { queue_url }
        | Request::GetQueueAttributes { queue_url, .. }
        | Request::ListDeadLetterSourceQueues { queue_url, .. }
        | Request::ListQueueTags { queue_url }
        | Request::PurgeQueue { queue_url }
        | Request::ReceiveMessage(ReceiveMessage { queue_url, .. })
        | Request::RemovePermission { queue_url, .. }
        | Request::SendMessage { queue_url, .. }
        | Request::SendMessageBatch { queue_url, .. }
        | Request::SetQueueAttributes { queue_url, .. }
        | Request::TagQueue { queue_url, .. }
        | Request::UntagQueue { queue_url, .. } => Address::Url(queue_url),
    }
}

/// Whether the catalogue decides it; a slot does otherwise.
fn is_catalogues(request: &Request) -> bool {
    matches!(
        request,
        Request::AddPermission { .. }
            | Request::CreateQueue { .. }
            | Request::DeleteQueue { .. }
            | Request::GetQueueUrl { .. }
            | Request::ListDeadLetterSourceQueues { .. }
            | Request::ListQueueTags { .. }
            | Request::ListQueues { .. }
            | Request::RemovePermission { .. }
            | Request::SetQueueAttributes { .. }
            | Request::TagQueue { .. }
            | Request::UntagQueue { .. }
    )
}
