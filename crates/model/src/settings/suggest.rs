//! "Did you mean …?"

/// The candidate that the word was most likely meant to be.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    // One slip in a short word, a third of a longer one: beyond that a suggestion confuses.
    let reach = (word.chars().count() / 3).max(1);
    let distance = |candidate: &str| match strsim::damerau_levenshtein(&word, candidate) {
        far if far > reach && !begins(&word, candidate) => None,
        distance => Some(distance),
    };
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(candidate)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// One is the beginning of the other: `environment`, `env`.
fn begins(word: &str, candidate: &str) -> bool {
    let shorter = word.len().min(candidate.len());
    shorter >= 3 && (word.starts_with(candidate) || candidate.starts_with(word))
}
