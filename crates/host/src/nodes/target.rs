//! Which node an instance has, where it is found, and whether it is that one.

use dist::{Address, Cookie, HostPort, Identity, InvalidCookie, InvalidNodeName, Limits, NodeName, OwnName};
use dist::{Target, Timing};
use model::app::{App, Instance};
use model::settings::Distribution;

use crate::certificates::CertificatesError;
use crate::site::{Site, SiteError};
use crate::usage::Family;

/// Our name on every node, before the host: a fixed one, so that a node's table of atoms grows by one name however often
/// we come, and its operator sees whose connection it is (`nodes(hidden)`).
const OWN_NAME: &str = "bellrock";

/// Why no link can be made to an instance's node.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    /// No node can have the name.
    #[error("the host's name makes no names of nodes; say another with node_host in config.toml")]
    Name(#[from] InvalidNodeName),
    /// Something about the app cannot be told.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// No node can have the cookie.
    #[error("the app's cookie is none that Erlang takes")]
    NoCookie(#[from] InvalidCookie),
    /// It speaks TLS, and Bellrock has no certificate to show.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    /// A worker thread panicked.
    #[error("a worker ended unexpectedly")]
    Worker(#[from] tokio::task::JoinError),
}

/// The node of an instance. Reads the cookie and perhaps Bellrock's certificate: it blocks.
pub(super) fn of(site: &Site, app: &App, instance: &Instance, epmd: HostPort) -> Result<Target, TargetError> {
    let settings = &app.revision(instance.target).ok_or(SiteError::NoVersion)?.settings;
    let cookie = site.cookie(&app.name, settings)?;
    let is_tls = settings.distribution == Distribution::Tls;
    Ok(Target {
        node: site.node(&app.name, instance).parse::<NodeName>()?,
        address: Address::Epmd(epmd),
        cookie: Cookie::new(cookie)?,
        tls: is_tls.then(|| site.certificates.identity()).transpose()?,
        own_name: OwnName::Fixed(format!("{OWN_NAME}@{}", site.node_host).parse::<NodeName>()?),
        timing: Timing::default(),
        limits: Limits::default(),
    })
}

/// Whether the node that answered is a process of the instance, and none that took its name.
pub(super) fn admit(node: &Identity, family: Family) -> Result<(), String> {
    let (pid, main) = (node.os_pid, family.main());
    match (family.has(pid), family.is_known()) {
        (true, _) => Ok(()),
        (false, true) => {
            Err(format!("it is process {pid}, which is none of the instance's (its main process is {main})"))
        }
        (false, false) => Err(format!(
            "it is process {pid}; of the instance, process {main} is known, which has ended, and its next start is not in the journal yet"
        )),
    }
}
