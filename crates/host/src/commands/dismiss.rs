//! Runners of commands whose outcome is journalled, and the trees that they ran in: taken away.
//!
//! An outcome that is journalled as unknown may belong to a command that still runs, because its runner did not
//! answer. Such a one is left to do its work to the end and is told of; its runner goes once it has ended.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use model::EffectId;
use model::app::App;
use package::tree::remove_tree;
use tokio::time::timeout;
use tracing::warn;

use super::runner::dismiss;
use super::{effect_of, runner_id};
use crate::shim::ShimHost;

/// Runners that are dismissed at a time.
const AT_A_TIME: usize = 8;

/// How long a sweep may take; what is left is the next one's.
const SWEEP: Duration = Duration::from_secs(60);

/// One look at an app's runners and trees.
pub(super) struct Sweep {
    pub(super) shims: ShimHost,
    /// The folder of the trees.
    pub(super) trees: PathBuf,
    /// The app as it was at some time: what it says has ended, has.
    pub(super) app: Arc<App>,
}

impl Sweep {
    pub(super) async fn run(self) {
        if timeout(SWEEP, self.sweep()).await.is_err() {
            warn!(app = %self.app.name, "runners of commands take long to dismiss");
        }
    }

    async fn sweep(&self) {
        let ids = match self.shims.ids() {
            Ok(ids) => ids,
            Err(error) => return warn!(error = crate::chain(&error), "cannot look for runners of commands"),
        };
        let ended = ids
            .into_iter()
            .filter(|id| effect_of(&self.app.name, id).is_some_and(|it| self.app.has_ended(it)));
        futures_util::stream::iter(ended)
            .for_each_concurrent(AT_A_TIME, async |id| {
                if let Err(error) = dismiss(&self.shims, &id).await {
                    warn!(shim = %id, error = crate::chain(&error), "could not dismiss a command's runner");
                }
            })
            .await;
        for tree in self.left_trees() {
            let removed = tokio::task::spawn_blocking(move || remove_tree(&tree)).await;
            if let Ok(Err(error)) = removed {
                warn!(app = %self.app.name, %error, "could not remove a command's tree");
            }
        }
    }

    /// Trees of commands that have ended and whose runner is gone.
    fn left_trees(&self) -> Vec<PathBuf> {
        let of_ended = |path: &Path| {
            let number = path.file_name().and_then(|name| name.to_str()?.strip_prefix('e')?.parse().ok());
            number.map(EffectId).filter(|effect| self.app.has_ended(*effect))
        };
        let is_gone = |effect| {
            let id = runner_id(&self.app.name, effect);
            matches!(self.shims.is_alive(&id), Ok(false))
        };
        let entries = fs_err::read_dir(&self.trees).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        paths.filter(|path| of_ended(path).is_some_and(is_gone)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use model::InstanceId;
    use model::app::Effect;

    #[tokio::test]
    async fn trees_of_ended_commands_are_removed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let trees = folder.path().join("commands");
        for name in ["e1", "e3", "e9", "other"] {
            fs_err::create_dir_all(trees.join(name).join("tmp")).unwrap();
        }
        // Effect 9 came after the app was looked at.
        let mut app = serde_json::to_value(App::new("beacon".parse().unwrap())).unwrap();
        app["next_effect"] = 8.into();
        let mut app: App = serde_json::from_value(app).unwrap();
        app.outbox.insert(EffectId(3), Effect::Remove { instance: InstanceId(1) });
        let shims = ShimHost {
            run_root: folder.path().join("run"),
            state_root: folder.path().join("state"),
            shim_binary: "/no/such/shim".into(),
            epoch: 1,
        };
        Sweep { shims, trees: trees.clone(), app: Arc::new(app) }.run().await;
        let mut left: Vec<_> = fs_err::read_dir(&trees).unwrap().map(|it| it.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["e3", "e9", "other"]);
    }
}
