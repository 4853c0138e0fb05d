//! `cargo xtask demo`: Bellrock as a stranger would use it, in a folder of its own.
//!
//! Only the programs `bellrock` and `bellrockd` are used, as an operator uses them. The story ([`story`]) runs
//! under a steady load ([`load`]) and leaves everything running; `demo-stop` ends it.

mod bellrock;
mod daemon;
mod folder;
mod load;
mod node_names;
mod ports;
mod processes;
mod report;
mod story;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::binaries;
use crate::samples;
use bellrock::Bellrock;
use folder::Folder;

/// The demo's samples, in the order of the story.
const SAMPLES: [&str; 3] = ["beacon-base", "beacon-module-changed", "beacon-unhealthy"];

/// Where a demo is.
#[derive(Args)]
pub(crate) struct Place {
    /// Folder of the demo; everything it writes is in it
    #[arg(long, env = "BELLROCK_DEMO_DIR", default_value = ".demo")]
    dir: PathBuf,
    /// Folder with bellrock, bellrockd, bellrock-proxy and bellrock-shim, instead of building them
    #[arg(long, value_name = "DIR")]
    bin: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    place: Place,
    /// Folder with the sample packages, instead of building them
    #[arg(long, value_name = "DIR")]
    samples: Option<PathBuf>,
}

impl Place {
    fn folder(&self, root: &Path) -> Result<Folder> {
        Folder::at(root.join(&self.dir))
    }

    fn programs(&self, root: &Path) -> Result<PathBuf> {
        let programs = self.bin.clone().unwrap_or_else(|| binaries::shelf(root));
        let absolute = fs::canonicalize(&programs);
        absolute.with_context(|| format!("there are no programs in {}", programs.display()))
    }
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let folder = options.place.folder(root)?;
    folder.check_free()?;
    node_names::check_free(story::APP)?;
    announce(&folder, options);
    if options.place.bin.is_none() {
        binaries::run(root, &binaries::Options::default())?;
    }
    let samples = match &options.samples {
        Some(samples) => samples.clone(),
        None => {
            samples::run(root, &samples::Options::only(&SAMPLES))?;
            samples::shelf_path(root)
        }
    };
    let programs = options.place.programs(root)?;
    let load = binaries::load_generator(root, &programs)?;
    story::play(&folder, &story::Things { programs: &programs, samples: &samples, load: &load })
}

pub(crate) fn stop(root: &Path, place: &Place) -> Result<()> {
    let folder = place.folder(root)?;
    if !folder.is_demo() {
        println!("there is no demo in {}", folder.path().display());
        return Ok(());
    }
    let programs = place.programs(root)?;
    let bellrock = Bellrock::new(&programs, folder.path());
    stop_apps(&folder, &programs, &bellrock)?;
    for name in processes::terminate(folder.path())? {
        println!("stopped   {name}");
    }
    println!("State and logs stay in {}; make demo begins anew.", folder.path().display());
    Ok(())
}

/// Stops the app in order, by the daemon; one that does not run is started for it.
fn stop_apps(folder: &Folder, programs: &Path, bellrock: &Bellrock) -> Result<()> {
    if processes::below(folder.path())?.is_empty() {
        println!("nothing of the demo runs any more");
        return Ok(());
    }
    if !bellrock.answers() {
        println!("the daemon does not run: it is started to stop the app in order");
        daemon::start(folder, programs, bellrock)?;
    }
    let Ok(status) = bellrock.json(&["status", story::APP]) else { return Ok(()) };
    if let Some(id) = status["deployment"]["id"].as_u64() {
        println!("deployment {id} is under way: it is given up first");
        bellrock.show(&["deployments", "cancel", &id.to_string(), "--wait"])?;
    }
    if !bellrock.show(&["stop", story::APP, "--wait", "--yes"])? {
        println!("so the app is stopped without the daemon: each of its shims is told to stop it");
    }
    Ok(())
}

fn announce(folder: &Folder, options: &Options) {
    println!("The demo runs in {}; nothing else is written to", folder.path().display());
    if options.place.bin.is_none() {
        println!("(but what cargo keeps: target/ and its own download cache).");
        println!("The first build takes a few minutes (about five on two cores), later ones seconds.");
    }
    if rustix::process::geteuid().is_root() {
        println!(
            "You are root, so the demo's app runs as root too. On a real host, name another user: app_user."
        );
    }
    println!();
}
