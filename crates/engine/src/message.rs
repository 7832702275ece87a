//! The rules a message's content keeps, its size as SQS counts it, and its MD5s. Stateless: the state
//! machines never see a body.

/// An MD5 digest; shown as 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Md5(pub [u8; 16]);

/// The MD5s a sender is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a member of the API reference")]
pub struct Digests {
    pub md5_of_message_body: Md5,
    pub md5_of_message_attributes: Option<Md5>,
    pub md5_of_message_system_attributes: Option<Md5>,
}
