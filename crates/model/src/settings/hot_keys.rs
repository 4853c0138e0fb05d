//! When running instances take in another version: `upgrade` and the keys of `hot`.

use super::app_keys::{HOUR, SECOND, between, key};
use super::keys::{Default, Key, Kind};

pub(super) static HOT_KEYS: &[Key] = &[
    key(
        "upgrade",
        Kind::Choice { words: &["never", "package", "auto"], refused: &[] },
        Default::Is(r#""never""#),
        "Whether a deployment of another version upgrades running instances hot, without a restart: never, when the package brings appups for all that changes, or when the plan of the upgrade says that it is safe. Where it cannot be hot it is a full deployment. `bellrock deploy --hot`, `--full` and `--auto` say otherwise for one deployment.",
    ),
    key(
        "hot.accept",
        Kind::FindingCodes,
        Default::Unset("all", r#"["BR-H012"]"#),
        "Findings that ask for care with which a hot upgrade is done all the same; with any other one the deployment is full. The codes are in the list of findings.",
    ),
    key(
        "hot.gate",
        between(0, HOUR),
        Default::Is(r#""5 s""#),
        "How long the first instance that was upgraded hot is watched before the others follow.",
    ),
    key(
        "hot.deadline",
        between(SECOND, HOUR),
        Default::Is(r#""60 s""#),
        "Time limit of the hot upgrade of one instance; what is not done by then is undone.",
    ),
    key(
        "hot.restart",
        Kind::ApplicationNames,
        Default::Is("[]"),
        "Applications of the release that a hot upgrade may stop and start within the running instance: their processes and connections end.",
    ),
    key(
        "hot.ignore_appups",
        Kind::ApplicationNames,
        Default::Is("[]"),
        "Applications whose appups a hot upgrade does not follow: what is done about their modules is then planned from their code.",
    ),
    key(
        "hot.modules",
        Kind::ModuleOverrides,
        Default::Is("[]"),
        "What a hot upgrade does about single modules, whatever their content and appups say, each as `MODULE=WHAT`: `load` (its processes go on with the state that they have), `convert` (their states go through its `code_change`) or `restart` (its supervised processes are restarted, their states are lost).",
    ),
];
