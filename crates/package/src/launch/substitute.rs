//! The environment put into a file, as relx's start script does.

/// A text with `${NAME}` and `${NAME:-otherwise}` replaced by what `value` says; nothing, and the empty text, count as not
/// said. What is not closed on its line stays.
pub fn substitute(text: &[u8], value: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut made = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inside, after)) = reference(rest) {
        made.extend_from_slice(before);
        let (name, otherwise) = match inside.windows(2).position(|pair| pair == b":-") {
            Some(at) => (&inside[..at], &inside[at + 2..]),
            None => (inside, &inside[..0]),
        };
        match value(name).filter(|value| !value.is_empty()) {
            Some(value) => made.extend_from_slice(&value),
            None => made.extend_from_slice(otherwise),
        }
        rest = after;
    }
    made.extend_from_slice(rest);
    made
}

/// What stands before, in and behind the first `${…}`.
fn reference(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let opens = text.windows(2).enumerate().filter(|(_, pair)| *pair == b"${");
    opens.map(|(open, _)| open).find_map(|open| {
        let inside = &text[open + 2..];
        let close = inside.iter().position(|byte| b"}\n".contains(byte))?;
        (inside[close] == b'}').then(|| (&text[..open], &inside[..close], &inside[close + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_takes_the_place_of_references() {
        let value = |name: &[u8]| match name {
            b"PLACE" => Some(b"2".to_vec()),
            b"EMPTY" => Some(Vec::new()),
            b"MONEY" => Some(b"${PLACE}".to_vec()),
            _ => None,
        };
        for (text, expected) in [
            ("[{place, ${PLACE}}].", "[{place, 2}]."),
            ("\"${UNSAID:-none}\" ${EMPTY:-x} ${UNSAID}${EMPTY}.", "\"none\" x ."),
            ("${PLACE:-9}${PLACE}", "22"),
            ("${MONEY}", "${PLACE}"),
            ("$PLACE {PLACE} $ {", "$PLACE {PLACE} $ {"),
            ("${PLACE\n} ${PLACE}", "${PLACE\n} 2"),
            ("${${PLACE}", ""),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(substitute(text.as_bytes(), value)).unwrap(), expected, "{text:?}");
        }
    }
}
