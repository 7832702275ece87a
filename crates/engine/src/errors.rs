//! Every error a client can be given: one row each, read by both protocols, metrics and the documentation.
//!
//! Names, namespaces and statuses come from the service model and its `awsQueryError` traits; the
//! `com.amazon.coral.service` rows are what SQS answers for errors that the model does not list
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>).

use std::borrow::Cow;
use std::fmt;

/// An error as a client sees it: a code of the table and a message that says what to fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Which row of the table.
    pub code: Code,
    /// For a person; never holds a secret or a message body.
    pub message: Cow<'static, str>,
}

impl Error {
    /// An error with this code and message.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Error {
        Error { code, message: message.into() }
    }

    /// `InvalidParameterValue`: "Value {value} for parameter {parameter} is invalid. Reason: {reason}."
    pub fn invalid_parameter(parameter: &str, value: impl fmt::Display, reason: &str) -> Error {
        let text = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
        Error::new(Code::InvalidParameterValue, text)
    }

    /// `MissingParameter` for this parameter.
    pub fn missing_parameter(parameter: &str) -> Error {
        Error::new(Code::MissingParameter, format!("The request must contain the parameter {parameter}."))
    }

    /// The queue named by a request is not there.
    pub fn no_such_queue() -> Error {
        Error::new(Code::QueueDoesNotExist, "The specified queue does not exist.")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.row().name, self.message)
    }
}

impl std::error::Error for Error {}

/// Whose fault an error is, in the words of the query protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client's: sending the same again fails again.
    Sender,
    /// The server's: a retry may succeed.
    Receiver,
}

impl Fault {
    /// As written in `<Type>` and `x-amzn-query-error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::Sender => "Sender",
            Fault::Receiver => "Receiver",
        }
    }
}

/// What the two protocols need to know of an error.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Shape name in JSON's `__type`, behind the namespace.
    pub name: &'static str,
    /// Namespace in JSON's `__type`, without the `#`.
    pub namespace: &'static str,
    /// Code in the query protocol and in `x-amzn-query-error`.
    pub query: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Whose fault.
    pub fault: Fault,
}

const SQS: &str = "com.amazonaws.sqs";
const CORAL: &str = "com.amazon.coral.service";

macro_rules! codes {
    ($($code:ident $namespace:ident $name:literal $query:literal $status:literal $fault:ident,)*) => {
        /// The codes of the table, alphabetical within SQS's own and the common ones.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is SQS's own name; the row says the rest")]
        pub enum Code { $($code,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$code,)*];

            /// The code's row.
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Code::$code => &Row {
                        name: $name,
                        namespace: $namespace,
                        query: $query,
                        status: $status,
                        fault: Fault::$fault,
                    },)*
                }
            }
        }
    };
}

codes! {
    BatchEntryIdsNotDistinct SQS "BatchEntryIdsNotDistinct" "AWS.SimpleQueueService.BatchEntryIdsNotDistinct" 400 Sender,
    BatchRequestTooLong SQS "BatchRequestTooLong" "AWS.SimpleQueueService.BatchRequestTooLong" 400 Sender,
    EmptyBatchRequest SQS "EmptyBatchRequest" "AWS.SimpleQueueService.EmptyBatchRequest" 400 Sender,
    InvalidAddress SQS "InvalidAddress" "InvalidAddress" 404 Sender,
    InvalidAttributeName SQS "InvalidAttributeName" "InvalidAttributeName" 400 Sender,
    InvalidAttributeValue SQS "InvalidAttributeValue" "InvalidAttributeValue" 400 Sender,
    InvalidBatchEntryId SQS "InvalidBatchEntryId" "AWS.SimpleQueueService.InvalidBatchEntryId" 400 Sender,
    InvalidIdFormat SQS "InvalidIdFormat" "InvalidIdFormat" 400 Sender,
    InvalidMessageContents SQS "InvalidMessageContents" "InvalidMessageContents" 400 Sender,
    InvalidSecurity SQS "InvalidSecurity" "InvalidSecurity" 403 Sender,
    KmsAccessDenied SQS "KmsAccessDenied" "KMS.AccessDeniedException" 400 Sender,
    KmsDisabled SQS "KmsDisabled" "KMS.DisabledException" 400 Sender,
    KmsInvalidKeyUsage SQS "KmsInvalidKeyUsage" "KMS.InvalidKeyUsageException" 400 Sender,
    KmsInvalidState SQS "KmsInvalidState" "KMS.InvalidStateException" 400 Sender,
    KmsNotFound SQS "KmsNotFound" "KMS.NotFoundException" 400 Sender,
    KmsOptInRequired SQS "KmsOptInRequired" "KMS.OptInRequired" 403 Sender,
    KmsThrottled SQS "KmsThrottled" "KMS.ThrottlingException" 400 Sender,
    MessageNotInflight SQS "MessageNotInflight" "AWS.SimpleQueueService.MessageNotInflight" 400 Sender,
    OverLimit SQS "OverLimit" "OverLimit" 403 Sender,
    PurgeQueueInProgress SQS "PurgeQueueInProgress" "AWS.SimpleQueueService.PurgeQueueInProgress" 403 Sender,
    QueueDeletedRecently SQS "QueueDeletedRecently" "AWS.SimpleQueueService.QueueDeletedRecently" 400 Sender,
    QueueDoesNotExist SQS "QueueDoesNotExist" "AWS.SimpleQueueService.NonExistentQueue" 400 Sender,
    QueueNameExists SQS "QueueNameExists" "QueueAlreadyExists" 400 Sender,
    ReceiptHandleIsInvalid SQS "ReceiptHandleIsInvalid" "ReceiptHandleIsInvalid" 404 Sender,
    RequestThrottled SQS "RequestThrottled" "RequestThrottled" 403 Sender,
    ResourceNotFound SQS "ResourceNotFoundException" "ResourceNotFoundException" 404 Sender,
    TooManyEntriesInBatchRequest SQS "TooManyEntriesInBatchRequest" "AWS.SimpleQueueService.TooManyEntriesInBatchRequest" 400 Sender,
    UnsupportedOperation SQS "UnsupportedOperation" "AWS.SimpleQueueService.UnsupportedOperation" 400 Sender,
    AccessDenied CORAL "AccessDeniedException" "AccessDenied" 403 Sender,
    IncompleteSignature CORAL "IncompleteSignatureException" "IncompleteSignature" 400 Sender,
    InternalFailure CORAL "InternalFailure" "InternalFailure" 500 Receiver,
    InvalidAction CORAL "UnknownOperationException" "InvalidAction" 400 Sender,
    InvalidClientTokenId CORAL "UnrecognizedClientException" "InvalidClientTokenId" 403 Sender,
    InvalidParameterValue CORAL "InvalidParameterValueException" "InvalidParameterValue" 400 Sender,
    MalformedInput CORAL "SerializationException" "MalformedInput" 400 Sender,
    MissingParameter CORAL "MissingRequiredParameterException" "MissingParameter" 400 Sender,
    ServiceUnavailable CORAL "ServiceUnavailableException" "ServiceUnavailable" 503 Receiver,
    SignatureDoesNotMatch CORAL "InvalidSignatureException" "SignatureDoesNotMatch" 403 Sender,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_faults_and_only_they_are_5xx() {
        for code in Code::ALL {
            let row = code.row();
            assert_eq!(row.fault == Fault::Receiver, row.status >= 500, "{row:?}");
        }
    }

    #[test]
    fn no_two_rows_share_a_type_or_a_query_code() {
        for (i, a) in Code::ALL.iter().enumerate() {
            for b in &Code::ALL[i + 1..] {
                assert_ne!((a.row().namespace, a.row().name), (b.row().namespace, b.row().name));
                assert_ne!(a.row().query, b.row().query);
            }
        }
    }
}
