//! A plan with all that would be in the way of doing it, and what a node is told.

use std::path::PathBuf;
use std::sync::Arc;

use hot::Instructions;
use model::app::{App, Instance, Target};
use package::tree::{Owner, instance_tree, remove_tree};
use tokio::task::spawn_blocking;
use upgrade::finding::{Code, Finding, Place};
use upgrade::plan::{Plan, Verdict};
use upgrade::policy::Policy;

use super::look::running;
use super::roots::RootWanted;
use super::settings::Changes;
use super::side::Side;
use super::told::Told;
use super::{HotPlans, UpgradeError};
use crate::clock;
use crate::instances::LaunchError;
use crate::lowering::{self, LowerError};
use crate::site::SiteError;

/// See the module.
pub(super) struct Weighed {
    /// The plan.
    pub(super) plan: Plan,
    /// What the node is told; of a plan that is to be deployed in full, only what a look at the node asks for.
    pub(super) instructions: Instructions,
    /// What the roots of the node must be.
    pub(super) roots: Vec<RootWanted>,
}

/// A tree that a VM can be started in.
pub(super) struct VmTree {
    pub(super) path: PathBuf,
    is_own: bool,
}

impl HotPlans {
    /// What a hot upgrade of an instance would be, from the packages, the settings and what VMs tell; no node is asked.
    ///
    /// # Errors
    /// A version is not there, or cannot be read.
    pub async fn plan(
        &self,
        app: &Arc<App>,
        instance: &Instance,
        to: Target,
        policy: &Policy,
    ) -> Result<Plan, UpgradeError> {
        let old = running(instance);
        let new = old.upgraded(to);
        Ok(self.weigh(app, old, new, "plan", policy).await?.plan)
    }

    /// Plans it, and lowers the plan under this id.
    pub(super) async fn weigh(
        &self,
        app: &Arc<App>,
        old: Instance,
        new: Instance,
        id: &str,
        policy: &Policy,
    ) -> Result<Weighed, UpgradeError> {
        let (site, of_app, of_policy) = (self.site.clone(), app.clone(), policy.clone());
        let compared = move || {
            let (old, new) = (Side::read(&site, &of_app, old)?, Side::read(&site, &of_app, new)?);
            let changes = Changes::between(&site, &of_app, &old, &new)?;
            let plan = upgrade::plan(&old.release, &new.release, &of_policy);
            Ok::<_, UpgradeError>((plan.with(changes.finding(), &of_policy), changes, old, new))
        };
        let (plan, changes, old, new) = spawn_blocking(compared).await??;
        let told = match plan.verdict {
            Verdict::Full => Told::default(),
            _ => self.told(app, &plan, &changes, &old, &new).await?,
        };
        let (id, policy) = (id.to_owned(), policy.clone());
        Ok(spawn_blocking(move || lowered(&id, plan, told, &old, &new, &policy)).await?)
    }

    /// The tree of a side, or one for the time of an evaluation.
    pub(super) async fn tree_of(&self, app: &Arc<App>, side: &Side) -> Result<VmTree, UpgradeError> {
        let tree = self.site.tree(&app.name, &side.instance);
        if tree == side.root {
            return Ok(VmTree { path: tree, is_own: false });
        }
        let path = self.site.paths.evaluation_tree(&app.name, clock::now().as_microsecond());
        let (site, app, target) = (self.site.clone(), app.clone(), side.instance.target);
        let (version, folder) = (side.unpacked.path.clone(), path.clone());
        let make = move || {
            let settings = &app.revision(target).ok_or(SiteError::NoVersion)?.settings;
            let account = site.account(settings)?;
            let owner = account.as_ref().map(|it| Owner { uid: it.uid, gid: it.gid });
            fs_err::create_dir_all(site.paths.commands(&app.name)).map_err(LaunchError::from)?;
            instance_tree(&version, &folder, owner)?;
            // The launcher looks for the cookie.
            site.write_private_files(&app.name, settings, &folder, account.as_ref())?;
            Ok::<_, UpgradeError>(())
        };
        spawn_blocking(make).await??;
        Ok(VmTree { path, is_own: true })
    }
}

impl VmTree {
    /// It is not needed any more.
    pub(super) async fn let_go(self) -> Result<(), UpgradeError> {
        if self.is_own {
            let removed = spawn_blocking(move || remove_tree(&self.path)).await?;
            removed.map_err(LaunchError::from)?;
        }
        Ok(())
    }
}

/// Lowers a plan; what cannot be lowered is a finding. It blocks.
fn lowered(id: &str, plan: Plan, told: Told, old: &Side, new: &Side, policy: &Policy) -> Weighed {
    let Told { told, roots, findings } = told;
    let plan = plan.with(findings, policy);
    let not_doable = |error: LowerError| {
        let why = crate::chain(&error);
        Finding::new(Code::NotDoable, Place::Release, &[("why", &why)])
    };
    let (old, new) = (old.version(), new.version());
    let mut problem = None;
    if plan.verdict != Verdict::Full {
        match lowering::lower(id, &plan, old, new, &told) {
            Ok(instructions) => return Weighed { plan, instructions, roots },
            Err(error) => problem = Some(not_doable(error)),
        }
    }
    let (instructions, other) = match lowering::touched(id, &plan, old, new) {
        Ok(touched) => (touched, None),
        Err(error) => (Instructions::new(id, hot::Direction::Up), Some(not_doable(error))),
    };
    Weighed { plan: plan.with(problem.or(other), policy), instructions, roots }
}
