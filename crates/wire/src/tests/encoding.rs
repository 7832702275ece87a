//! Replies as text.
