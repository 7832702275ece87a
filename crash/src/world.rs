//! What all threads of a run share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::client::{Failure, PATIENCE};
use crate::ledger::{Ledger, Micros, Wrong};
use crate::queues::QUEUES;
use crate::sqs::Sqs;

/// A connection that breaks a little before the process is known to be dead is no wrong.
const NOTICE: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub struct World {
    ledger: Mutex<Ledger>,
    began: Instant,
    halt: AtomicBool,
    dying: AtomicBool,
    refusing: AtomicBool,
}

/// One life of the process, for clients.
#[derive(Clone, Debug)]
pub struct Life {
    /// Where it listens.
    pub address: SocketAddr,
    /// Queue URLs in the order of [`QUEUES`].
    pub urls: Vec<String>,
}

impl World {
    /// With nothing done yet.
    pub fn new() -> World {
        World {
            ledger: Mutex::new(Ledger::new()),
            began: Instant::now(),
            halt: AtomicBool::new(false),
            dying: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
        }
    }

    /// The ledger.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since the run began.
    pub fn now(&self) -> Micros {
        self.began.elapsed().as_micros() as Micros
    }

    /// Clients may work from now on.
    pub fn go(&self) {
        self.halt.store(false, Ordering::SeqCst);
        self.dying.store(false, Ordering::SeqCst);
    }

    /// Clients are to come to an end.
    pub fn halt(&self) {
        self.halt.store(true, Ordering::SeqCst);
    }

    /// Whether they are.
    pub fn is_halted(&self) -> bool {
        self.halt.load(Ordering::SeqCst)
    }

    /// The process is about to be killed: its clients will be cut off.
    pub fn dying(&self) {
        self.dying.store(true, Ordering::SeqCst);
    }

    /// Whether refused sends are expected: the disk is full.
    pub fn set_refusing(&self, refusing: bool) {
        self.refusing.store(refusing, Ordering::SeqCst);
    }

    /// See [`World::set_refusing`].
    pub fn is_refusing(&self) -> bool {
        self.refusing.load(Ordering::SeqCst)
    }

    /// Notes a wrong without a message.
    pub fn wrong(&self, what: &str) {
        self.ledger().wrong(Wrong::Other, what, &[]);
    }

    /// What a client does about a request without a good reply: it ends, and tells unless that was to come.
    pub fn fail(&self, action: &str, failure: &Failure) {
        match failure {
            Failure::Gone(why) => {
                let end = Instant::now() + NOTICE;
                while !self.dying.load(Ordering::SeqCst) {
                    if Instant::now() > end {
                        self.wrong(&format!("{action}: {why}, though the process was not killed"));
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Failure::Silent => self.wrong(&format!("{action}: no reply within {PATIENCE:?}")),
            Failure::Refused(refusal) => {
                self.wrong(&format!("{action}: refused with {}: {}", refusal.status, refusal.text));
            }
        }
    }
}

impl Life {
    /// Makes the queues of a new data directory.
    pub fn first(address: SocketAddr) -> Result<Life, Failure> {
        Sqs::connect(address, &[])?.create_queues()?;
        Life::again(address)
    }

    /// Finds the queues, each of which must be there.
    pub fn again(address: SocketAddr) -> Result<Life, Failure> {
        let urls = Sqs::connect(address, &[])?.find_queues()?;
        assert_eq!(urls.len(), QUEUES.len(), "one URL a queue");
        Ok(Life { address, urls })
    }

    /// A connection.
    pub fn connect(&self) -> Result<Sqs, Failure> {
        Sqs::connect(self.address, &self.urls)
    }
}
