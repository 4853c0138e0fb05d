//! What a package's file name says about its version: `{app}-{version}.tar.gz`, edeliver's
//! `{app}_{version}.release.tar.gz`. Names and versions may hold dashes and underscores, so a name is only compared
//! with what the package says, never taken apart to learn something from it.

use percent_encoding::percent_decode_str;

use super::{Facts, Refusal};

/// Refuses a file name that says another version than the package.
pub(super) fn check(file_name: &str, facts: &Facts) -> Result<(), Refusal> {
    let file_name = file_name.rsplit('/').next().unwrap_or(file_name);
    let stem = stem(file_name);
    // URLs have `%2B` for a `+`, and so have names of files that were fetched by one.
    let plain = percent_decode_str(stem).decode_utf8_lossy();
    if [stem, &*plain].iter().any(|stem| agrees(stem, facts)) || !claims_version(stem, facts) {
        return Ok(());
    }
    Err(Refusal::VersionDiffers {
        file_name: file_name.to_owned(),
        release_name: facts.release_name.clone(),
        version: facts.version.clone(),
    })
}

fn stem(file_name: &str) -> &str {
    let stem = [".tar.gz", ".tgz"].iter().find_map(|end| file_name.strip_suffix(end)).unwrap_or(file_name);
    stem.strip_suffix(".release").unwrap_or(stem)
}

/// Whether it ends with the package's version after a separator.
fn agrees(stem: &str, facts: &Facts) -> bool {
    let Some(before) = stem.strip_suffix(&facts.version) else { return false };
    before.is_empty() || before.ends_with(['-', '_']) || before.ends_with("-v") || before.ends_with("_v")
}

/// Whether it says any version: something after the release's or application's name, or a number after a separator.
fn claims_version(stem: &str, facts: &Facts) -> bool {
    let names = [Some(&facts.release_name), facts.main_application.as_ref()];
    if names.iter().flatten().any(|name| *name == stem) {
        return false;
    }
    let after_name =
        |name: &String| stem.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(['-', '_']));
    names.into_iter().flatten().any(after_name) || has_number_part(stem)
}

fn has_number_part(stem: &str) -> bool {
    let after_separator = stem.split(['-', '_']).skip(1);
    after_separator
        .into_iter()
        .any(|part| part.trim_start_matches('v').starts_with(|first: char| first.is_ascii_digit()))
}
