//! A buffer that O_DIRECT accepts, without unsafe code: a `Vec` with room to spare, used from its first
//! aligned byte on.

/// Bytes copied to an aligned place before a direct write. Its memory is kept for the next one.
#[derive(Debug)]
pub struct Aligned {
    memory: Vec<u8>,
    start: usize,
    alignment: usize,
}

impl Aligned {
    /// Room for `size` bytes at addresses that are multiples of `alignment`, a power of two. Zeroed.
    pub fn new(size: usize, alignment: usize) -> Aligned {
        assert!(alignment.is_power_of_two());
        let memory = vec![0; size + alignment];
        // A `Vec` that never grows never moves, so the offset stays right.
        let start = memory.as_ptr().addr().wrapping_neg() & (alignment - 1);
        Aligned { memory, start, alignment }
    }

    /// The most that fits.
    pub fn room(&self) -> usize {
        self.memory.len() - self.alignment
    }

    /// The first `length` bytes as they are.
    pub fn bytes(&self, length: usize) -> &[u8] {
        assert!(length <= self.room());
        &self.memory[self.start..][..length]
    }

    /// A copy of `data` at an aligned address.
    pub fn copy_of(&mut self, data: &[u8]) -> &[u8] {
        assert!(data.len() <= self.room());
        let place = &mut self.memory[self.start..][..data.len()];
        place.copy_from_slice(data);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_aligned_and_equal() {
        for alignment in [1, 512, 4096, 65_536] {
            let mut buffer = Aligned::new(8192, alignment);
            let data: Vec<u8> = (0..8192u32).map(|i| i as u8).collect();
            let copy = buffer.copy_of(&data);
            assert_eq!(copy.as_ptr().addr() % alignment, 0);
            assert_eq!(copy, data);
            assert_eq!(buffer.bytes(8192).as_ptr().addr() % alignment, 0);
        }
    }
}
