//! The end of a node by its own hand: its applications stop in order, then the virtual machine halts.
//!
//! SIGTERM does nearly the same (`init:stop/0`), and waits about a second more before it halts, whatever runs in the node.

use std::time::Duration;

use dist::{Node, Prepared};
use tracing::debug;

/// How long the node may take to say that it has understood.
const UNDERSTANDS: Duration = Duration::from_secs(2);

/// Applications stop in the reverse order of their start, as `init:stop/0` has it, each by `application:stop/1`, so that
/// `prep_stop` and `stop` are called. What the loggers of OTP hold is written; `halt` itself writes what ports hold.
const STOP: &str = r"
    Own = [kernel, stdlib],
    Apps = [App || {App, _, _} <- application:which_applications(), not lists:member(App, Own)],
    lists:foreach(fun(App) -> application:stop(App) end, Apps),
    lists:foreach(
        fun(#{id := Id, module := logger_std_h}) -> catch logger_std_h:filesync(Id); (_) -> ok end,
        logger:get_handler_config()),
    erlang:halt(0)
";

/// A node that can be told to halt.
pub(crate) struct Halting {
    node: Node,
    stop: Prepared,
}

impl Halting {
    /// Makes sure that the node listens; `None` when it does not, so that a signal is as good.
    pub(crate) async fn of(node: Node) -> Option<Self> {
        match node.prepare(STOP, UNDERSTANDS).await {
            Ok(stop) => Some(Halting { node, stop }),
            Err(error) => {
                debug!(node = %node.name(), error = crate::chain(&error), "it is told to stop by a signal");
                None
            }
        }
    }

    /// Tells it, and returns when it did not do so: when it went on after `within`, or could not. Of a node that has halted the
    /// connection has ended.
    pub(crate) async fn tell(self, within: Duration) {
        let end = self.node.eval(&self.stop, [], within).await;
        if let Err(error) = end {
            debug!(node = %self.node.name(), error = crate::chain(&error), "told to halt");
        }
    }
}
