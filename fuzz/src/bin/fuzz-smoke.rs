//! `fuzz-smoke [SECONDS [SEED]]`: drives each target so long; fails with the first input that one does not bear.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuzz::TARGETS;
use fuzz::driver::drive;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let seed = arguments.next().and_then(|text| text.parse().ok()).unwrap_or_else(now);
    // What panics is told once, with its input.
    std::panic::set_hook(Box::new(|_| {}));
    for target in &TARGETS {
        // before it runs: what ends the process leaves nothing else
        println!("{}: seed {seed}", target.name);
        match drive(target, seed, Duration::from_secs(seconds)) {
            Ok(inputs) => println!("{}: {inputs} inputs in {seconds} s", target.name),
            Err(finding) => {
                eprintln!("{}: seed {seed}: {}", target.name, finding.why);
                eprintln!("input: {}", finding.input.escape_ascii());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
