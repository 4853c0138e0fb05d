//! Who may read and write our own files.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use api::doctor::Check;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "file modes";

/// Nobody but the owner.
const OWNER_ONLY: u32 = 0o077;
/// Group and others may not write.
const NOT_WRITABLE: u32 = 0o022;
/// Nothing for others; the socket's group may use it (`api_group`).
const NOT_OTHERS: u32 = 0o007;

struct Entry {
    path: PathBuf,
    mode: u32,
    rule: &'static Rule,
}

struct Rule {
    /// Bits that may not be set.
    forbidden: u32,
    /// What is at stake.
    because: &'static str,
    /// Advice only.
    mild: bool,
}

static JOURNAL: Rule = Rule { forbidden: OWNER_ONLY, because: "it holds the apps' variables", mild: false };
static COOKIE: Rule =
    Rule { forbidden: OWNER_ONLY, because: "whoever reads a cookie controls the app's nodes", mild: false };
static CERTIFICATE: Rule = Rule {
    forbidden: OWNER_ONLY,
    because: "whoever reads its key passes for a node of this host",
    mild: false,
};
static SHIM: Rule =
    Rule { forbidden: OWNER_ONLY, because: "whoever reaches a shim controls its instance", mild: false };
static SOCKET: Rule = Rule {
    forbidden: NOT_OTHERS,
    because: "whoever may write to it can run code as any app's user",
    mild: false,
};
static FOLDER: Rule =
    Rule { forbidden: NOT_WRITABLE, because: "others could replace what is in it", mild: false };
static SETTINGS_WRITABLE: Rule =
    Rule { forbidden: NOT_WRITABLE, because: "others could say what apps run as", mild: false };
static SETTINGS_READABLE: Rule =
    Rule { forbidden: 0o004, because: "variables of apps stand in settings", mild: true };

pub(super) fn check(scene: &Scene) -> Check {
    judge(&gather(scene))
}

fn gather(scene: &Scene) -> Vec<Entry> {
    let paths = &scene.site.paths;
    let database = paths.database();
    let beside = |ending: &str| PathBuf::from(format!("{}{ending}", database.display()));
    let mut wanted: Vec<(PathBuf, &'static Rule)> = vec![
        (beside("-wal"), &JOURNAL),
        (beside("-shm"), &JOURNAL),
        (database.clone(), &JOURNAL),
        (paths.api_socket(), &SOCKET),
        (paths.state(), &FOLDER),
        (paths.run(), &FOLDER),
        (paths.config_file(), &SETTINGS_WRITABLE),
        (paths.app_settings(), &SETTINGS_WRITABLE),
    ];
    wanted.extend(children(&paths.cookies()).map(|path| (path, &COOKIE)));
    let keys = [paths.authority(), paths.next_authority(), paths.own_certificate()];
    let of_apps = scene.apps.iter().map(|app| paths.distribution_certificate(&app.name));
    wanted.extend(keys.into_iter().chain(of_apps).map(|path| (path, &CERTIFICATE)));
    wanted.extend(children(&paths.shims_run()).map(|path| (path, &SHIM)));
    wanted.extend(children(&paths.shims_state()).map(|path| (path, &SHIM)));
    let copies = children(&paths.state()).filter(|path| path.to_string_lossy().contains("state.db.schema-"));
    wanted.extend(copies.map(|path| (path, &JOURNAL)));
    for file in
        children(&paths.app_settings()).chain([paths.config_file()]).filter(|path| says_variables(path))
    {
        wanted.push((file.clone(), &SETTINGS_WRITABLE));
        wanted.push((file, &SETTINGS_READABLE));
    }
    wanted.into_iter().filter_map(|(path, rule)| Some(Entry { mode: mode(&path)?, path, rule })).collect()
}

/// The permissions of what is there.
fn mode(path: &Path) -> Option<u32> {
    Some(fs_err::symlink_metadata(path).ok()?.permissions().mode() & 0o7777)
}

fn children(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs_err::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn says_variables(path: &Path) -> bool {
    fs_err::read_to_string(path).is_ok_and(|text| text.contains("variables"))
}

fn judge(entries: &[Entry]) -> Check {
    let mut findings = Findings::new(NAME);
    for Entry { path, mode, rule } in entries.iter().filter(|entry| entry.mode & entry.rule.forbidden != 0) {
        let path = path.display();
        let what = format!("{path} has mode {mode:04o}: {}", rule.because);
        let remedy = format!("chmod {:04o} {path}", mode & !rule.forbidden);
        if rule.mild { findings.advise(what, remedy) } else { findings.wrong(what, remedy) }
    }
    findings.or_fine("nobody else may read or write what is ours")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(mode: u32, rule: &'static Rule) -> Check {
        judge(&[Entry { path: "/x".into(), mode, rule }])
    }

    #[test]
    fn each_rule_has_a_mode_that_breaks_it_and_one_that_keeps_it() {
        let cases: [(&'static Rule, u32, u32); 7] = [
            (&JOURNAL, 0o644, 0o600),
            (&COOKIE, 0o640, 0o600),
            (&CERTIFICATE, 0o640, 0o600),
            (&SHIM, 0o711, 0o700),
            (&SOCKET, 0o666, 0o660),
            (&FOLDER, 0o777, 0o755),
            (&SETTINGS_WRITABLE, 0o664, 0o644),
        ];
        for (rule, breaks, keeps) in cases {
            let check = judged(breaks, rule);
            assert!(!check.ok && check.detail.contains(rule.because), "{check:?}");
            assert_eq!(check.remedy, Some(format!("chmod {keeps:04o} /x")));
            assert!(judged(keeps, rule).ok);
        }
    }

    #[test]
    fn settings_that_others_may_read_are_worth_a_look() {
        let check = judged(0o644, &SETTINGS_READABLE);
        assert!(check.ok);
        assert_eq!(check.remedy.as_deref(), Some("chmod 0640 /x"));
    }
}
