//! A request in flight at an instance, counted from the moment of choosing to the last byte of the answer.

use std::rc::Rc;

use crate::core_table::CoreBackend;
use crate::session::Session;

/// Counts as long as it lives.
#[derive(Debug)]
pub(crate) struct InFlight {
    backend: Rc<CoreBackend>,
    session: Rc<Session>,
}

impl InFlight {
    /// Counts at once: between choosing and this nothing may be awaited, or a drain could miss the request.
    pub(crate) fn begin(backend: Rc<CoreBackend>, session: &Rc<Session>) -> Self {
        backend.backend.instance.begin();
        session.serve_by(Some(backend.clone()));
        Self { backend, session: session.clone() }
    }

    pub(crate) fn backend(&self) -> &CoreBackend {
        &self.backend
    }

    pub(crate) fn backend_rc(&self) -> Rc<CoreBackend> {
        self.backend.clone()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.session.serve_by(None);
        self.backend.backend.instance.end();
    }
}
