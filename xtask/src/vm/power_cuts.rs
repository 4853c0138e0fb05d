//! The power goes in the middle of deployments, at random moments; the next boot looks what became of the last one.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use super::machine::Machine;
use super::{Lab, SHORT_BOOT};

/// What runs in each boot.
const TEST: &str = "faults::machine::a_deployment_in_which_the_power_went_ends_right";

/// Said by the test when it has asked for a deployment, and when that is over, with how long it took.
const BEGINS: &str = " begins";
const TOOK: &str = "took ms=";

/// Cuts the power so often; returns the number of boots.
pub(super) fn run(lab: &Lab, cuts: u32, seed: u64) -> Result<u32> {
    if cuts == 0 {
        return Ok(0);
    }
    println!("test-vm: power cuts with --seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let disk = lab.disk("power")?;
    let mut machine = boot(lab, &disk)?;
    let whole = length(&mut machine)?;
    machine.cut_power();
    for _ in 0..cuts {
        let mut machine = boot(lab, &disk)?;
        machine.says(BEGINS, SHORT_BOOT)?;
        let moment = Duration::from_millis(random.u64(0..=whole));
        // Not to wait for something, but to be anywhere: the moment is what is random.
        sleep(moment);
        println!("test-vm: the power goes {} ms after the deployment began", moment.as_millis());
        machine.cut_power();
    }
    boot(lab, &disk)?.ends(SHORT_BOOT)?;
    Ok(cuts + 2)
}

fn boot(lab: &Lab, disk: &Path) -> Result<Machine> {
    lab.boot(Some(disk), &[TEST])
}

/// How long a deployment takes in this machine when nothing happens to it, in ms.
fn length(machine: &mut Machine) -> Result<u64> {
    let line = machine.says(TOOK, SHORT_BOOT)?;
    ms(&line).with_context(|| format!("no figure in \"{line}\""))
}

fn ms(line: &str) -> Option<u64> {
    line.split_once(TOOK)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_figure_is_read() {
        assert_eq!(ms("machine: deployment 7 took ms=4100"), Some(4100));
        assert_eq!(ms("machine: deployment 7 begins"), None);
    }
}
