//! Message bodies that prove themselves: a number, a size, and a filler that both decide.

use crate::random::Random;

/// Characters of a filler: what JSON escapes, what UTF-8 spreads over several bytes, and plain text.
const LETTERS: [char; 16] =
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', ' ', '"', '\\', '\n', '<', 'é', '€', '\u{1F980}'];
/// Characters of the piece that a filler repeats.
const PIECE: usize = 61;

/// The body of message `number`, with at least `size` bytes of filler.
pub fn of(number: u64, size: usize) -> String {
    let mut random = Random::of(number, size as u64);
    let piece: String = (0..PIECE).map(|_| random.pick(&LETTERS)).collect();
    let mut body = format!("{number} {size} ");
    let end = body.len() + size;
    while body.len() < end {
        body.push_str(&piece);
    }
    body
}

/// Which message this is, or `None` if it is no body of ours or any byte of it differs.
pub fn number(body: &str) -> Option<u64> {
    let mut words = body.splitn(3, ' ');
    let number = words.next()?.parse().ok()?;
    let size = words.next()?.parse().ok().filter(|size| *size <= body.len())?;
    (of(number, size) == body).then_some(number)
}

/// A size: mostly small, at times several blocks of a disk.
pub fn size(random: &mut Random) -> usize {
    let most = random.pick(&[20, 100, 100, 200, 200, 1_000, 4_000, 30_000]);
    random.between(0, most) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_tells_its_number_and_any_changed_byte() {
        let body = of(17, 300);
        assert_eq!(number(&body), Some(17));
        assert_eq!(number(&of(3, 0)), Some(3));
        assert_eq!(number(&body[..body.len() - 1]), None);
        assert_eq!(number(&body.replacen("17", "18", 1)), None);
        assert_eq!(number(&format!("{body}x")), None);
        assert_eq!(number("nothing of ours"), None);
    }
}
