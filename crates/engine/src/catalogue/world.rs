//! A catalogue with made-up time, for tests: every request is run as a node would, and after each the view is
//! rebuilt from its rows and compared (Law 1).

use std::collections::BTreeMap;

use super::{Catalogue, Verdict};
use crate::command::{Caller, Internal, Settings};
use crate::errors::{Code, Error};
use crate::ids::{Lsn, Millis, QueueId, QueueName};
use crate::reply::Reply;
use crate::request::{Pairs, Request};
use crate::rows::{CatalogueRow, QueueRow, Record, Row, RowKey};

pub const ACCOUNT: &str = "000000000000";
pub const REGION: &str = "us-east-1";

/// The catalogue, a store's rows, and the copies its slots hold.
pub struct World {
    pub catalogue: Catalogue,
    pub settings: Settings,
    pub caller: Caller,
    pub now: Millis,
    pub lsn: Lsn,
    pub rows: BTreeMap<QueueName, CatalogueRow>,
    pub last_queue: Option<QueueId>,
    pub slots: BTreeMap<QueueId, QueueRow>,
    /// Of the last request.
    pub rests: Lsn,
}

pub fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub fn create(name: &str, attributes: &[(&str, &str)]) -> Request {
    Request::CreateQueue { queue_name: name.to_owned(), attributes: pairs(attributes), tags: Pairs::new() }
}

pub fn set(queue_url: &str, attributes: &[(&str, &str)]) -> Request {
    Request::SetQueueAttributes { queue_url: queue_url.to_owned(), attributes: pairs(attributes) }
}

pub fn delete(queue_url: &str) -> Request {
    Request::DeleteQueue { queue_url: queue_url.to_owned() }
}

pub fn url_of(name: &str) -> Request {
    Request::GetQueueUrl { queue_name: name.to_owned(), queue_owner_aws_account_id: None }
}

impl World {
    pub fn new() -> World {
        World {
            catalogue: Catalogue::default(),
            settings: Settings::default(),
            caller: Caller { account: ACCOUNT.into(), region: REGION.into(), sender_id: "me".into() },
            now: 1_700_000_000_000,
            lsn: 0,
            rows: BTreeMap::new(),
            last_queue: None,
            slots: BTreeMap::new(),
            rests: 0,
        }
    }

    /// A queue of each name.
    pub fn with(names: &[&str]) -> World {
        let mut world = World::new();
        for name in names {
            let fifo: &[_] = if name.ends_with(".fifo") { &[("FifoQueue", "true")] } else { &[] };
            world.ok(&create(name, fifo));
        }
        world
    }

    pub fn run(&mut self, request: &Request) -> Result<Reply, Error> {
        match self.step(request, None) {
            Verdict::First { row, .. } => {
                let row = self.install(*row);
                match self.step(request, Some(&row)) {
                    Verdict::Done { reply, .. } => reply,
                    Verdict::First { .. } => panic!("asked for a queue that was made"),
                }
            }
            Verdict::Done { reply, .. } => reply,
        }
    }

    pub fn ok(&mut self, request: &Request) -> Reply {
        self.run(request).unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    pub fn code(&mut self, request: &Request) -> Option<Code> {
        self.run(request).err().map(|error| error.code)
    }

    pub fn text(&mut self, request: &Request) -> String {
        self.run(request).expect_err("an error").message.into_owned()
    }

    /// One decision, with everything that must hold after it.
    pub fn step(&mut self, request: &Request, made: Option<&QueueRow>) -> Verdict {
        self.lsn += 1;
        let (now, lsn) = (self.now, self.lsn);
        let verdict = self.catalogue.execute(now, lsn, &self.settings, &self.caller, request, made);
        match &verdict {
            Verdict::Done { records, rests, then, .. } => {
                assert!(records.is_empty() || *rests == lsn, "a change is not waited for");
                self.rests = *rests;
                records.iter().for_each(|record| self.store(record));
                then.iter().for_each(|internal| self.deliver(internal));
            }
            Verdict::First { numbered, .. } => self.store(numbered),
        }
        self.check_laws();
        verdict
    }

    pub fn install(&mut self, row: QueueRow) -> QueueRow {
        assert_eq!(row.tags, Pairs::new(), "tags are the catalogue's alone");
        assert_eq!(self.slots.get(&row.id), None, "a number was given twice");
        self.slots.insert(row.id, row.clone());
        row
    }

    /// The row of a queue of the caller.
    pub fn row(&self, name: &str) -> QueueRow {
        self.catalogue.resolve(&self.caller, name).expect("the queue").0.clone()
    }

    /// The catalogue a restart would find.
    pub fn restart(&mut self) {
        self.catalogue = Catalogue::default();
        for row in self.stored() {
            self.catalogue.apply(&Record::Put(row), 0);
        }
    }

    fn stored(&self) -> Vec<Row> {
        let named = self.rows.iter().map(|(name, row)| Row::Catalogue(name.clone(), row.clone()));
        named.chain(self.last_queue.map(Row::LastQueue)).collect()
    }

    fn store(&mut self, record: &Record) {
        match record {
            Record::Put(Row::Catalogue(name, row)) => {
                self.rows.insert(name.clone(), row.clone());
            }
            Record::Delete(RowKey::Catalogue(name)) => {
                assert!(self.rows.remove(name).is_some(), "removed a row that is not there");
            }
            Record::Put(Row::LastQueue(id)) => {
                assert!(self.last_queue < Some(*id), "given twice");
                self.last_queue = Some(*id);
            }
            other => panic!("not the catalogue's: {other:?}"),
        }
    }

    fn deliver(&mut self, internal: &Internal) {
        match internal {
            Internal::Install(row) => {
                let before = self.slots.insert(row.id, (**row).clone()).expect("it was made");
                assert!(row.version > before.version && row.tags.is_empty());
            }
            Internal::Remove(id) => assert!(self.slots.remove(id).is_some(), "removed twice"),
            other => panic!("not the catalogue's: {other:?}"),
        }
    }

    fn check_laws(&self) {
        let rows = self.stored();
        assert_eq!(self.catalogue.small_rows(), rows, "the view is not what the rows say");
        let mut rebuilt = Catalogue::default();
        rows.into_iter().for_each(|row| rebuilt.apply(&Record::Put(row), 0));
        assert_eq!(rebuilt.small_rows(), self.catalogue.small_rows());
        assert_eq!(rebuilt.sources, self.catalogue.sources);
        assert_eq!(rebuilt.resting, self.catalogue.resting);
        assert_eq!(rebuilt.by_id, self.catalogue.by_id);
        for row in self.catalogue.queues() {
            let copy = self.slots.get(&row.id).expect("a named queue is in its slot");
            assert_eq!((&copy.name, &copy.attributes), (&row.name, &row.attributes));
        }
    }
}
