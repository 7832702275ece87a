//! A layer on its way into a segment. The layer does not change any more, so whoever writes the segment also makes its
//! bytes: a thread of the disk, and nothing waits for that.
#![expect(clippy::disallowed_types, reason = "the lock hands the builder to the disk's thread and back")]

use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use engine::{Lsn, MessageKey, QueueId};

use crate::disk::Source;
use crate::layer::Layer;
use crate::log::segment::{Builder, Meta};

/// A segment that is being written, a stretch at a time.
#[derive(Debug)]
pub struct Writing(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    layer: Arc<Layer>,
    lsns: (Lsn, Lsn),
    after: Bound<MessageKey>,
    /// None once all bytes are made.
    builder: Option<Builder>,
    written: Option<Meta>,
}

/// The next bytes, about as many as `step`.
#[derive(Debug)]
struct Stretch {
    of: Writing,
    step: usize,
}

impl Writing {
    /// The messages of `layer`, whose batches are `lsns`, as the segment of this number.
    pub fn new(layer: Arc<Layer>, lsns: (Lsn, Lsn), number: u64, block: usize) -> Writing {
        let builder = Some(Builder::new(number, block));
        Writing(Arc::new(Mutex::new(State { layer, lsns, after: Bound::Unbounded, builder, written: None })))
    }

    /// The segment, if it is complete.
    pub fn written(&self) -> Option<Meta> {
        self.state().written.clone()
    }

    /// Where the next bytes go.
    pub fn offset(&self) -> u64 {
        self.state().builder.as_ref().expect("it is not complete").taken()
    }

    /// Makes the next bytes, about as many as `step`. One is written before the next one is asked for.
    pub fn stretch(&self, step: usize) -> Arc<dyn Source> {
        Arc::new(Stretch { of: Writing(self.0.clone()), step })
    }

    /// Nobody waits here: the store looks when a stretch is written, and the next one is made after that. Nor has
    /// anyone panicked with it: the write would have failed, and stopped the store.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panicked with it")
    }
}

impl Source for Stretch {
    fn make(&self) -> Vec<u8> {
        self.of.state().next(self.step)
    }
}

impl State {
    fn next(&mut self, step: usize) -> Vec<u8> {
        let last = MessageKey { queue: QueueId(u64::MAX), rank: u64::MAX, sequence: u64::MAX };
        let mut builder = self.builder.take().expect("there are bytes to be made");
        for (key, entry) in self.layer.table.after(self.after, last) {
            builder.add(*key, &entry.row, &entry.blob);
            self.after = Bound::Excluded(*key);
            if builder.waiting() >= step {
                let (_, bytes) = builder.take();
                self.builder = Some(builder);
                return bytes;
            }
        }
        let finished = builder.finish(self.lsns);
        self.written = Some(finished.meta);
        finished.rest
    }
}
