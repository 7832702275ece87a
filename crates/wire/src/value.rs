//! The tree between the bytes and the types: what both decoders produce and all encoders write. It borrows
//! what it can from the request's bytes or from the reply.

use std::borrow::Cow;

use bytes::Bytes;

use crate::shapes::Structure;

/// A value of a [`Kind`](crate::shapes::Kind).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `Kind::String`.
    Text(Cow<'a, str>),
    /// `Kind::Integer` and `Kind::Long`.
    Integer(i64),
    /// `Kind::Boolean`.
    Boolean(bool),
    /// `Kind::Blob`.
    Blob(Bytes),
    /// `Kind::Structure`.
    Structure(Fields<'a>),
    /// `Kind::List`.
    List(Vec<Value<'a>>),
    /// `Kind::Map`, in the order of the wire; of two pairs with one name the later counts.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
}

/// The members of a structure that are present.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// The shape they follow.
    pub shape: &'static Structure,
    /// Position in the shape, and value.
    pub present: Vec<(usize, Value<'a>)>,
}

impl PartialEq for Fields<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.shape, other.shape) && self.present == other.present
    }
}

impl Eq for Fields<'_> {}

impl<'a> Fields<'a> {
    /// No member yet.
    pub fn of(shape: &'static Structure) -> Fields<'a> {
        Fields { shape, present: Vec::with_capacity(shape.members.len()) }
    }

    /// Sets the member at this position; a second value replaces the first.
    pub fn set(&mut self, member: usize, value: Value<'a>) {
        match self.present.iter_mut().find(|(at, _)| *at == member) {
            Some(slot) => slot.1 = value,
            None => self.present.push((member, value)),
        }
    }

    /// Adds the member of this JSON name, which the shape must have: the name is ours, not a client's.
    pub fn with(mut self, name: &str, value: Value<'a>) -> Fields<'a> {
        let member = self.member(name);
        self.present.push((member, value));
        self
    }

    /// As [`Fields::with`], when there is a value.
    pub fn with_some(self, name: &str, value: Option<Value<'a>>) -> Fields<'a> {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Takes out the member of this JSON name, which the shape must have.
    pub fn take(&mut self, name: &str) -> Option<Value<'a>> {
        let member = self.member(name);
        let at = self.present.iter().position(|(at, _)| *at == member)?;
        Some(self.present.swap_remove(at).1)
    }

    fn member(&self, name: &str) -> usize {
        match self.shape.named(name) {
            Some(member) => member,
            None => panic!("{} has no member {name}", self.shape.name),
        }
    }
}
