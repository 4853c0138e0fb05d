//! `upgrade relup`

use std::path::{Path, PathBuf};

use package::durable::write_whole;
use serde::Serialize;
use upgrade::relup::{RelupError, Written, write};

use super::{PolicyArgs, Versions, read};
use crate::commands::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{QUIET, styled};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    versions: Versions,

    /// Where they are written: `relup`, and `APPLICATION.appup` for each application that changes. The folder is made when
    /// it is not there.
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,

    #[command(flatten)]
    policy: PolicyArgs,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Files {
    relup: PathBuf,
    appups: Vec<PathBuf>,
    /// What `release_handler` does not do.
    remarks: Vec<String>,
}

pub(super) fn run(context: &Context<'_>, args: &Args) -> Result<Exit, Failure> {
    let (old, new) = read::both(&args.versions)?;
    let policy = args.policy.policy();
    let (up, down) = (upgrade::plan(&old, &new, &policy), upgrade::plan(&new, &old, &policy));
    let written = write(&old, &new, &up, &down).map_err(refused)?;
    let files = save(&args.into, written)?;
    context.output.data(&files, text);
    Ok(Exit::Ok)
}

fn refused(error: RelupError) -> Failure {
    match error {
        RelupError::NotHot { .. } => Failure::NotHot(error.to_string()),
        RelupError::SameVersion { .. } | RelupError::SameRelease(_) => Failure::Usage(error.to_string()),
    }
}

fn save(into: &Path, written: Written) -> Result<Files, Failure> {
    fs_err::create_dir_all(into)?;
    let save = |name: &str, text: &str| -> Result<PathBuf, Failure> {
        let path = into.join(name);
        write_whole(&path, text.as_bytes(), 0o644, None)?;
        Ok(path)
    };
    let relup = save("relup", &written.relup)?;
    let appups = written.appups.iter().map(|(name, text)| save(&format!("{name}.appup"), text));
    Ok(Files { relup, appups: appups.collect::<Result<_, _>>()?, remarks: written.remarks })
}

fn text(files: &Files) -> String {
    let paths = std::iter::once(&files.relup).chain(&files.appups);
    let paths = paths.map(|path| format!("wrote {}", path.display()));
    let remarks = files.remarks.iter().map(|remark| styled(QUIET, &format!("not in it: {remark}")));
    paths.chain(remarks).collect::<Vec<_>>().join("\n")
}
