//! `--wait`, for every command that leads to a deployment.

use crate::progress::Until;

/// Whether to wait for the deployment, and for what.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Waiting {
    /// Waits and shows progress: until all instances serve, or until the watch window held.
    ///
    /// Ctrl-C ends the waiting, not the deployment.
    #[arg(long, value_name = "serving|committed", num_args = 0..=1, require_equals = true,
        default_missing_value = "serving", value_enum)]
    pub(crate) wait: Option<Until>,
}
