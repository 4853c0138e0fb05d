//! What a plan for a large release takes: its two inventories opened as they are kept, and the plan made.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use package::tree::{Unpacked, install_version, remove_tree};
use package::{HostPlatform, Limits};
use testkit::made;
use testkit::nodes::World;
use upgrade::plan::Verdict;
use upgrade::policy::Policy;

use crate::figures::{Figures, tell};
use crate::serving::ms;

/// Of so many modules one differs.
const CHANGED: u32 = 10;

/// ms of each round.
pub(super) async fn run(modules: u32, rounds: u32) -> Result<Figures> {
    let world = World::new().await;
    let (_running, node) = world.connected("compiles", &[]).await;
    let mut versions = Vec::new();
    for version in ["1", "2"] {
        let sources: Vec<_> = (0..modules).map(|number| source(number, modules, version)).collect();
        let sources: Vec<_> = sources.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let root = made::Release::new(version, None, &sources).write(&node, world.folder()).await;
        versions.push(unpacked(&root, &world.folder().join(format!("{version}.unpacked")))?);
    }
    let [old, new] = &versions[..] else { bail!("two versions") };
    let (mut first, mut kept) = (Figures::default(), Figures::default());
    first.push(planned(old, new, modules)?);
    for _ in 0..rounds {
        kept.push(planned(old, new, modules)?);
    }
    tell(&format!("a plan of {modules} modules, first, ms"), &first);
    tell(&format!("a plan of {modules} modules, kept, ms"), &kept);
    for version in &versions {
        remove_tree(&version.path)?;
    }
    Ok(kept)
}

fn planned(old: &Unpacked, new: &Unpacked, modules: u32) -> Result<f64> {
    let began = Instant::now();
    let (old, new) = (package::inventory::open(old)?, package::inventory::open(new)?);
    let plan = upgrade::plan(&old, &new, &Policy::default());
    let took = ms(began.elapsed());
    let loaded = u32::try_from(plan.steps.load.len())?;
    if plan.verdict == Verdict::Full || loaded != modules.div_ceil(CHANGED) {
        bail!("the plan is {:?} with {loaded} modules", plan.verdict);
    }
    Ok(took)
}

/// A module of functions that call those of others.
fn source(number: u32, modules: u32, version: &str) -> (String, String) {
    let name = |number: u32| format!("part_{:05}", number % modules);
    let changed = if number.is_multiple_of(CHANGED) { version } else { "same" };
    let functions: Vec<String> = (0..12)
        .map(|each| {
            let other = name(number + 17 * each + 1);
            format!(
                "f{each}(X) when is_integer(X) -> {other}:f{}(X - 1);
                f{each}({{K, #{{a := A}} = M}}) -> [{{K, A}} || _ <- lists:seq(1, {each})] ++ maps:keys(M);
                f{each}(<<N:16, Rest/binary>>) -> {{N, {changed}, byte_size(Rest)}}.",
                (each + 1) % 12
            )
        })
        .collect();
    (name(number), functions.join("\n"))
}

/// As the daemon keeps it.
fn unpacked(root: &Path, folder: &Path) -> Result<Unpacked> {
    let package = folder.with_extension("tar.gz");
    let mut tar = tar::Builder::new(GzEncoder::new(fs::File::create(&package)?, Compression::fast()));
    tar.append_dir_all("", root)?;
    tar.into_inner()?.finish()?;
    installed(&package, folder)
}

/// A package as the daemon unpacks it.
pub(super) fn installed(package: &Path, folder: &Path) -> Result<Unpacked> {
    let (platform, limits) = (HostPlatform::detect(), Limits::default());
    install_version(package, None, None, folder, &platform, &limits)
        .with_context(|| format!("could not unpack {}", package.display()))
}
