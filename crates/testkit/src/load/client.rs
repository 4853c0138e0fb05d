//! What all that send have in common.

use hyper::header::{HeaderValue, InvalidHeaderValue};
use tokio_util::sync::CancellationToken;

use super::noise::Noise;
use super::plan::Plan;
use super::pool::Pool;
use super::tally::Tally;

/// One run.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) plan: Plan,
    pub(super) tally: Tally,
    pub(super) pool: Pool,
    pub(super) noise: Noise,
    pub(super) host: HeaderValue,
    /// Nothing more is begun when it is cancelled, and what lives long is ended.
    pub(super) stop: CancellationToken,
}

impl Client {
    pub(super) fn new(plan: Plan) -> Result<Client, InvalidHeaderValue> {
        Ok(Client {
            tally: Tally::new(&plan),
            pool: Pool::new(plan.kept_connections),
            noise: Noise::for_length(plan.shape.upload_bytes.max(plan.shape.message_bytes)),
            host: HeaderValue::from_str(&plan.host())?,
            stop: CancellationToken::new(),
            plan,
        })
    }
}
