//! File names read back.

use store::disk::{FileKind, FileName};

/// Every kind. The match in `all_are_listed` stops compiling when one is missing.
const KINDS: [FileKind; 6] = [
    FileKind::Manifest,
    FileKind::Journal,
    FileKind::Checkpoint,
    FileKind::Segment,
    FileKind::Bitmap,
    FileKind::Cut,
];

/// The inverse of `FileName`'s `Display`; `None` for any other text.
pub fn parse(text: &str) -> Option<FileName> {
    let (kind, number) = text.rsplit_once('-')?;
    let kind = KINDS.into_iter().find(|one| one.as_str() == kind)?;
    let name = FileName { kind, number: u64::from_str_radix(number, 16).ok()? };
    // Only the canonical spelling: `+1`, capitals or missing zeros are not names of ours.
    (name.to_string() == text).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_are_listed(kind: FileKind) -> bool {
        match kind {
            FileKind::Manifest
            | FileKind::Journal
            | FileKind::Checkpoint
            | FileKind::Segment
            | FileKind::Bitmap
            | FileKind::Cut => KINDS.contains(&kind),
        }
    }

    #[test]
    fn names_are_read_back_and_nothing_else_is() {
        for kind in KINDS {
            assert!(all_are_listed(kind));
            for number in [0, 7, u64::MAX] {
                let name = FileName { kind, number };
                assert_eq!(parse(&name.to_string()), Some(name));
            }
        }
        for wrong in [
            "lock",
            "journal",
            "journal-7",
            "journal-000000000000000A",
            "journal-+000000000000007",
            "journal-00000000000000007",
            "manifest-0000000000000001.new",
            "other-0000000000000001",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
