//! Users and groups by name, as the system's databases have them (files, LDAP and whatever else nsswitch.conf says).

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgrouplist};

/// Whom an app runs as, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User.
    pub uid: u32,
    /// Main group.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
}

/// Whom something runs as, with names where the host knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// The user's name.
    pub user: Option<String>,
    /// The group's name.
    pub group: Option<String>,
}

impl Identity {
    /// An app's user; `None`: this process's own.
    pub fn of(account: Option<&Account>) -> Self {
        let own = || (geteuid().as_raw(), getegid().as_raw());
        let (uid, gid) = account.map_or_else(own, |it| (it.uid, it.gid));
        let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name);
        Identity { uid, gid, user: name_of(uid), group }
    }
}

/// Why an app's user cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// No such user.
    #[error(
        "there is no user {0:?} on this host; add it, or name another: user = \"…\" in the app's settings"
    )]
    NoUser(String),
    /// No such group.
    #[error(
        "there is no group {0:?} on this host; add it, or name another: group = \"…\" in the app's settings"
    )]
    NoGroup(String),
    /// The database could not be asked.
    #[error("could not look up {name:?}")]
    Lookup {
        /// User or group.
        name: String,
        /// Why.
        #[source]
        source: nix::Error,
    },
    /// The daemon is root and nobody said whom the app shall run as.
    #[error(
        "the daemon runs as root and apps do not unless told to: set app_user in config.toml or user in the app's settings (user = \"root\" insists on root)"
    )]
    RootNotSaid,
    /// Only root may run apps as somebody else.
    #[error("the settings say user = {0:?}, but the daemon runs as uid {1} and only root can change users")]
    NotRoot(String, u32),
}

/// Whom an app runs as; `None` when that is the daemon's own user.
///
/// # Errors
/// [`UserError`].
pub fn account(user: Option<&str>, group: Option<&str>) -> Result<Option<Account>, UserError> {
    let us = geteuid();
    let Some(name) = user else {
        return if us.is_root() { Err(UserError::RootNotSaid) } else { Ok(None) };
    };
    let failed = |source| UserError::Lookup { name: name.to_owned(), source };
    let found = User::from_name(name).map_err(failed)?.ok_or_else(|| UserError::NoUser(name.to_owned()))?;
    if !us.is_root() {
        return if found.uid == us {
            Ok(None)
        } else {
            Err(UserError::NotRoot(name.to_owned(), us.as_raw()))
        };
    }
    let gid = match group {
        None => found.gid,
        Some(name) => {
            let failed = |source| UserError::Lookup { name: name.to_owned(), source };
            Group::from_name(name).map_err(failed)?.ok_or_else(|| UserError::NoGroup(name.to_owned()))?.gid
        }
    };
    let c_name = std::ffi::CString::new(name).map_err(|_| UserError::NoUser(name.to_owned()))?;
    let groups = getgrouplist(&c_name, gid).map_err(failed)?;
    Ok(Some(Account {
        uid: found.uid.as_raw(),
        gid: gid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
    }))
}

/// The name of a user id, where the host knows one.
pub fn name_of(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

/// The number of a group.
///
/// # Errors
/// [`UserError`].
pub fn group(name: &str) -> Result<u32, UserError> {
    let failed = |source| UserError::Lookup { name: name.to_owned(), source };
    let group = Group::from_name(name).map_err(failed)?.ok_or_else(|| UserError::NoGroup(name.to_owned()))?;
    Ok(group.gid.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> String {
        name_of(geteuid().as_raw()).unwrap()
    }

    #[test]
    fn nobody_of_that_name() {
        let error = account(Some("no-such-user"), None).unwrap_err();
        assert!(matches!(&error, UserError::NoUser(name) if name == "no-such-user"));
        assert!(error.to_string().contains("add it, or name another"), "{error}");
        assert!(matches!(group("no-such-group"), Err(UserError::NoGroup(_))));
    }

    #[test]
    fn root_runs_apps_as_root_only_when_told_to() {
        if !geteuid().is_root() {
            assert_eq!(account(None, None).unwrap(), None, "another user's daemon runs them as itself");
            return;
        }
        let error = account(None, None).unwrap_err();
        assert!(matches!(error, UserError::RootNotSaid));
        assert!(error.to_string().contains("app_user"), "{error}");
        let root = account(Some("root"), None).unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
    }

    #[test]
    fn only_root_changes_users() {
        if geteuid().is_root() {
            return;
        }
        assert_eq!(account(Some(&own()), None).unwrap(), None);
        let error = account(Some("root"), None).unwrap_err();
        assert!(matches!(error, UserError::NotRoot(..)), "{error}");
    }

    #[test]
    fn a_group_is_looked_up_beside_the_user() {
        if !geteuid().is_root() {
            return;
        }
        let daemon = account(Some("daemon"), Some("root")).unwrap().unwrap();
        assert_eq!(daemon.gid, 0);
        assert!(daemon.groups.contains(&0), "{:?}", daemon.groups);
        assert!(matches!(account(Some("daemon"), Some("no-such-group")), Err(UserError::NoGroup(_))));
    }

    #[test]
    fn an_identity_has_names_where_there_are_any() {
        let nobody_s = Account { uid: 4_000_000_001, gid: 0, groups: Vec::new() };
        let identity = Identity::of(Some(&nobody_s));
        assert_eq!((identity.user, identity.group.as_deref()), (None, Some("root")));
        assert_eq!(Identity::of(None).user, Some(own()));
    }

    #[test]
    fn names_of_numbers() {
        assert_eq!(name_of(0).as_deref(), Some("root"));
        assert_eq!(name_of(4_000_000_001), None);
        assert_eq!(group("root").unwrap(), 0);
    }
}
