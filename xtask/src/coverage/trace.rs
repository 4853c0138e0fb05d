//! lcov's trace file: how often each line ran.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// How often each line ran that holds code, by number from 1.
pub(super) type Counts = BTreeMap<u64, u64>;

/// The counts of each file; what else a trace file tells is skipped.
pub(super) fn read(text: &str) -> BTreeMap<PathBuf, Counts> {
    let mut files = BTreeMap::new();
    let mut counts: &mut Counts = &mut Counts::new();
    for line in text.lines() {
        match line.split_once(':') {
            Some(("SF", path)) => counts = files.entry(PathBuf::from(path)).or_default(),
            Some(("DA", rest)) => {
                let mut numbers = rest.split(',').map_while(|number| number.parse::<u64>().ok());
                if let (Some(line), Some(times)) = (numbers.next(), numbers.next()) {
                    *counts.entry(line).or_default() += times;
                }
            }
            _ => {}
        }
    }
    files
}
