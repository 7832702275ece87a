//! How an input is changed: a bit, a stretch, a number, a word, or half of another input.

use crate::dice::{Dice, EDGES};

/// Inputs stay about this short, bytes.
pub const LONGEST: usize = 1 << 17;

/// Changes an input once. `words` are what the target's decoder looks for, `other` another input of it.
pub fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>, words: &[&str], other: &[u8]) {
    match dice.below(14) {
        0..3 => flip(dice, bytes),
        3 => overwrite(dice, bytes, &[0xff, 0, 0x80, 0x7f, b'"', b'.', b'&', b'{']),
        4 => bytes.truncate(dice.below(bytes.len() + 1)),
        5 => drop(remove(dice, bytes)),
        6 => {
            let stretch = stretch(dice, bytes).to_vec();
            insert(dice, bytes, &stretch);
        }
        7 => {
            let removed = remove(dice, bytes);
            insert(dice, bytes, &removed);
        }
        8 => {
            let number = dice.number().to_le_bytes();
            let length = dice.pick(&[1, 2, 4, 8]);
            replace(dice, bytes, &number[..length]);
        }
        9 => number_in_digits(dice, bytes),
        10 => {
            let fresh = dice.bytes(16);
            insert(dice, bytes, &fresh);
        }
        11 => {
            let part = stretch(dice, other).to_vec();
            replace(dice, bytes, &part);
        }
        12 => {
            bytes.truncate(dice.below(bytes.len() + 1));
            bytes.extend_from_slice(&other[dice.below(other.len() + 1)..]);
        }
        _ => {
            let word = if words.is_empty() { "" } else { dice.pick(words) };
            if dice.one_in(2) {
                insert(dice, bytes, word.as_bytes())
            } else {
                replace(dice, bytes, word.as_bytes())
            }
        }
    }
    bytes.truncate(LONGEST);
}

fn flip(dice: &mut Dice, bytes: &mut [u8]) {
    let at = dice.below(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
}

fn overwrite(dice: &mut Dice, bytes: &mut [u8], with: &[u8]) {
    let at = dice.below(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte = dice.pick(with);
    }
}

/// Mostly short.
fn stretch<'a>(dice: &mut Dice, bytes: &'a [u8]) -> &'a [u8] {
    let from = dice.below(bytes.len() + 1);
    let most = if dice.one_in(4) { bytes.len() } else { 16 };
    let to = (from + dice.below(most + 1)).min(bytes.len());
    &bytes[from..to]
}

fn remove(dice: &mut Dice, bytes: &mut Vec<u8>) -> Vec<u8> {
    let from = dice.below(bytes.len() + 1);
    let to = (from + 1 + dice.below(16)).min(bytes.len());
    bytes.drain(from.min(to)..to).collect()
}

fn insert(dice: &mut Dice, bytes: &mut Vec<u8>, with: &[u8]) {
    let at = dice.below(bytes.len() + 1);
    bytes.splice(at..at, with.iter().copied());
}

fn replace(dice: &mut Dice, bytes: &mut Vec<u8>, with: &[u8]) {
    let from = dice.below(bytes.len() + 1);
    let to = (from + with.len()).min(bytes.len());
    bytes.splice(from..to, with.iter().copied());
}

/// Another number in place of one that stands there in digits, if one does.
fn number_in_digits(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let at = dice.below(bytes.len() + 1);
    let Some(from) = bytes[at..].iter().position(u8::is_ascii_digit).map(|skip| at + skip) else { return };
    let digits = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = dice.pick(&["", "", "", "-", "0", "1e"]);
    let number = format!("{sign}{}", dice.pick(&EDGES).wrapping_add(dice.draw() % 2));
    bytes.splice(from..from + digits, number.into_bytes());
}
