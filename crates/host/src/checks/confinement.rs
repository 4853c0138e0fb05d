//! What holds a check's program like an instance: user and groups, umask, limits, no new privileges.

#![allow(unsafe_code)]

use std::io;

use model::settings::{AppSettings, Limit};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{Gid, Uid};
use tokio::process::Command;

use crate::users::Account;

/// Like what an instance's shim does before it executes the app.
#[derive(Debug, Clone)]
pub struct Confinement {
    owner: Option<Owner>,
    umask: Mode,
    limits: Vec<(Resource, Rlimit)>,
    no_new_privs: bool,
}

#[derive(Debug, Clone)]
struct Owner {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Confinement {
    /// As the settings have it, for an account; without one the program runs as we do.
    pub fn new(account: Option<Account>, settings: &AppSettings) -> Self {
        let owner = account.map(|it| Owner {
            uid: Uid::from_raw(it.uid),
            gid: Gid::from_raw(it.gid),
            groups: it.groups.into_iter().map(Gid::from_raw).collect(),
        });
        Confinement {
            owner,
            umask: Mode::from_raw_mode(u32::from(settings.umask.0)),
            limits: limits(settings),
            no_new_privs: settings.no_new_privs,
        }
    }

    /// Has it applied between fork and execution.
    pub(super) fn hold(self, command: &mut Command) {
        let hold = move || self.apply();
        // SAFETY: the closure runs in the child of a process with threads, so it may make async-signal-safe calls
        // only: `apply` makes system calls by rustix, takes no lock, and allocates and frees nothing (what it needs
        // was made here, and errors are plain numbers).
        unsafe { command.pre_exec(hold) };
    }

    /// Limits first, because only root may raise them.
    fn apply(&self) -> io::Result<()> {
        for (resource, limit) in &self.limits {
            rustix::process::setrlimit(*resource, *limit)?;
        }
        if let Some(Owner { uid, gid, groups }) = &self.owner {
            rustix::thread::set_thread_groups(groups)?;
            rustix::thread::set_thread_res_gid(*gid, *gid, *gid)?;
            rustix::thread::set_thread_res_uid(*uid, *uid, *uid)?;
        }
        if self.no_new_privs {
            rustix::thread::set_no_new_privs(true)?;
        }
        rustix::process::umask(self.umask);
        Ok(())
    }
}

fn limits(settings: &AppSettings) -> Vec<(Resource, Rlimit)> {
    let wanted = &settings.rlimits;
    let rlimit = |limit: Limit| Rlimit { current: limit.value(), maximum: limit.value() };
    [
        (Resource::Nofile, wanted.nofile),
        (Resource::Nproc, wanted.nproc),
        (Resource::Core, wanted.core),
        (Resource::As, wanted.address_space),
        (Resource::Memlock, wanted.memlock),
    ]
    .into_iter()
    .filter_map(|(resource, limit)| Some((resource, rlimit(limit?))))
    .collect()
}
