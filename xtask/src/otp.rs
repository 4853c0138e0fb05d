//! `cargo xtask test-otp`: the tests that need a node, on other OTPs than the one that is installed.
//!
//! Each OTP comes from a release of Debian that has it, with the libraries that it needs, C's among them: unpacked
//! into a folder of the cache, never installed. So neither root nor a chroot nor a container is needed, and nothing of
//! it is in the way of the system:
//!
//! ```text
//! apt-get, with lists and a status of its own ──▶ .deb files, as signed by Debian ──▶ dpkg-deb -x into the cache
//! PATH=<cache>/bin:$PATH cargo test ──▶ erl ──▶ ld.so of that release, with its libraries ──▶ its beam.smp
//! ```

mod apt;
mod tree;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use fs_err as fs;

use tree::Tree;

/// An OTP, and the release of Debian that has it.
#[derive(Clone, Copy)]
struct Source {
    otp: &'static str,
    release: &'static str,
}

const SOURCES: [Source; 2] = [Source { otp: "27", release: "trixie" }, Source { otp: "29", release: "sid" }];

/// What the tests need of each; dependencies come along.
const PACKAGES: [&str; 2] = ["erlang-base", "erlang-ssl"];

/// The tests that start nodes, read the files of OTP or use its compiler: package and test.
const SUITES: [(&str, &str); 7] = [
    ("beam", "files"),
    ("beam", "appup"),
    ("beam", "code"),
    ("dist", "nodes"),
    ("probe", "nodes"),
    ("hot", "nodes"),
    ("host", "distribution"),
];

#[derive(Args)]
pub(crate) struct Options {
    /// Only this OTP: 27 or 29
    #[arg(long)]
    otp: Option<String>,
    /// Fetch them anew
    #[arg(long)]
    renew: bool,
    /// Only tests whose names hold one of these texts
    #[arg(value_name = "TEST")]
    tests: Vec<String>,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let wanted = |source: &&Source| options.otp.as_deref().is_none_or(|otp| otp == source.otp);
    let sources: Vec<_> = SOURCES.iter().filter(wanted).collect();
    if sources.is_empty() {
        bail!("there is no source for OTP {}", options.otp.as_deref().unwrap_or_default());
    }
    for source in sources {
        match provide(*source, options.renew)? {
            Provided::Here(tree) => test(root, *source, &tree, &options.tests)?,
            Provided::Not(why) => println!("test-otp: OTP {} skipped: {why}", source.otp),
        }
    }
    Ok(())
}

/// An OTP that can be tested, or why there is none.
enum Provided {
    Here(Tree),
    Not(String),
}

/// The tree of an OTP, fetched when it is not in the cache.
fn provide(source: Source, renew: bool) -> Result<Provided> {
    let folder = cache()?.join(source.otp);
    if renew && folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    if !folder.join(Tree::WHOLE).exists() {
        let packages = match apt::fetch(&folder, source.release, &PACKAGES)? {
            apt::Fetched::Packages(packages) => packages,
            apt::Fetched::Not(why) => return Ok(Provided::Not(why)),
        };
        Tree::unpack(&folder, &packages)?;
    }
    let tree = Tree::open(&folder)?;
    let found = tree.otp()?;
    if found != source.otp {
        bail!(
            "Debian's {} has OTP {found} now, not {}: change SOURCES in xtask/src/otp.rs",
            source.release,
            source.otp
        );
    }
    Ok(Provided::Here(tree))
}

fn cache() -> Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    Ok(cache.context("HOME is not set, where the cache would be")?.join("bellrock-otp"))
}

fn test(root: &Path, source: Source, tree: &Tree, tests: &[String]) -> Result<()> {
    println!("test-otp: OTP {} (ERTS {}) of Debian's {}", source.otp, tree.erts(), source.release);
    let path = env::var("PATH").unwrap_or_default();
    for (package, suite) in SUITES {
        let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["test", "--quiet", "--locked", "--package", package, "--test", suite, "--"])
            .args(tests)
            .env("PATH", format!("{}:{path}", tree.programs().display()))
            .current_dir(root)
            .status()
            .context("could not run cargo")?;
        if !status.success() {
            bail!("the tests {suite} of {package} failed on OTP {}", source.otp);
        }
    }
    Ok(())
}
