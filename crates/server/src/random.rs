//! Randomness: seeded once from the operating system, then counted on without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use engine::{Entropy, MessageId};

/// Bytes of the operating system's own randomness, for what must not be guessed.
pub fn system(bytes: &mut [u8]) -> std::io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(n) => filled += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Seeds for decisions and ids for requests: unique within the process and different in every process,
/// not secret.
#[derive(Debug)]
pub struct Source(AtomicU64);

impl Source {
    /// Seeded by the operating system.
    pub fn new() -> std::io::Result<Source> {
        let mut seed = [0; 8];
        system(&mut seed)?;
        Ok(Source(AtomicU64::new(u64::from_le_bytes(seed))))
    }

    /// The next seed.
    pub fn entropy(&self) -> Entropy {
        // Relaxed: only the value's uniqueness matters, and every addition is seen by all later ones.
        let mut step = Entropy(self.0.fetch_add(1, Ordering::Relaxed));
        Entropy(step.draw())
    }

    /// A request id: a version 4 UUID.
    pub fn request_id(&self) -> String {
        let mut entropy = self.entropy();
        let bits = u128::from(entropy.draw()) << 64 | u128::from(entropy.draw());
        let (version, variant) = (0x4 << 76, 0x2 << 62);
        MessageId(bits & !(0xf << 76) & !(0x3 << 62) | version | variant).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_uuids_and_differ() {
        let source = Source::new().expect("the system has randomness");
        let ids: std::collections::BTreeSet<String> = (0..1000).map(|_| source.request_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 36 && &id[14..15] == "4"));
    }
}
