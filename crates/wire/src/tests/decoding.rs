//! The rules of decoding, and which error each broken request is given.
