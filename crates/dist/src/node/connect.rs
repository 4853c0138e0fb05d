//! From a target to a connection whose node has said who it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::{Actor, Identity, Up};
use crate::LinkEnd;
use crate::call::CallError;
use crate::epmd::{self, EpmdError};
use crate::handshake::{Handshake, HandshakeError, NameTaken};
use crate::link::Link;
use crate::transport::{self, Address, HostPort, TransportError};

/// How many names the node may give us one after the other.
const MOST_NAMES: u32 = 3;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody knows where the node listens.
    #[error(transparent)]
    Epmd(#[from] EpmdError),
    /// It cannot be reached there.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// It can, and does not agree.
    #[error("no handshake with {at}")]
    Handshake {
        /// Where it was.
        at: HostPort,
        /// Why.
        #[source]
        source: HandshakeError,
    },
    /// The connection is there, but the node does not say who it is.
    #[error("the node did not say who it is")]
    Identity(#[source] CallError),
    /// It is another node than the one that was meant, or not known to be that one.
    #[error("what answers to its name is not taken for it: {0}")]
    Stranger(String),
    /// It took too long.
    #[error("not connected within {0:?}")]
    Timeout(Duration),
}

impl Actor {
    /// Connects within the time for it.
    pub(super) async fn connect(&self, name_taken: NameTaken) -> Result<Up, ConnectError> {
        let within = self.target.timing.connect;
        match timeout(within, self.connect_now(name_taken)).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectError::Timeout(within)),
        }
    }

    /// Connects; a node that gave us a name which is taken is asked for others.
    async fn connect_now(&self, name_taken: NameTaken) -> Result<Up, ConnectError> {
        for _ in 1..MOST_NAMES {
            match self.connect_once(name_taken).await {
                Err(ConnectError::Handshake { source: HandshakeError::GivenNameTaken, .. }) => {}
                connected => return connected,
            }
        }
        self.connect_once(name_taken).await
    }

    async fn connect_once(&self, name_taken: NameTaken) -> Result<Up, ConnectError> {
        let target = &self.target;
        let at = self.find().await?;
        let mut stream = transport::connect(&at, target.tls.as_ref(), target.node.host()).await?;
        let handshake = Handshake {
            node: &target.node,
            own_name: &target.own_name,
            cookie: &target.cookie,
            name_taken,
            in_tls: target.tls.is_some(),
        };
        let peer =
            handshake.run(&mut *stream).await.map_err(|source| ConnectError::Handshake { at, source })?;
        let link = Link::start(stream, &peer, target.limits, &self.tasks, &self.stop);
        let unused = EndUnlessUsed(Some(Arc::clone(&link)));
        let identity = Identity::ask(&link, target.timing.connect).await.map_err(ConnectError::Identity)?;
        (self.admit)(&identity).map_err(ConnectError::Stranger)?;
        unused.used();
        Ok(Up { identity, own_name: peer.own_name, link })
    }

    async fn find(&self) -> Result<HostPort, ConnectError> {
        match &self.target.address {
            Address::Port(at) => Ok(at.clone()),
            Address::Epmd(epmd) => {
                let within = self.target.timing.connect;
                let found = epmd::port_please(epmd, self.target.node.name(), within).await?;
                Ok(HostPort { host: epmd.host.clone(), port: found.port })
            }
        }
    }
}

/// Ends a link that did not come into use, also when it was given up halfway.
struct EndUnlessUsed(Option<Arc<Link>>);

impl EndUnlessUsed {
    fn used(mut self) {
        self.0 = None;
    }
}

impl Drop for EndUnlessUsed {
    fn drop(&mut self) {
        if let Some(link) = &self.0 {
            link.end(LinkEnd::Stopped);
        }
    }
}
