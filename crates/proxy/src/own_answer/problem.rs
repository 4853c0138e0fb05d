//! What can go wrong between a client and an instance.

use hyper::StatusCode;

/// Why the proxy answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The request is no valid HTTP, or could be read in two ways.
    BadRequest,
    /// The headers did not come in time.
    SlowHeader,
    /// The body did not come in time.
    SlowBody,
    /// The body is longer than the route allows.
    TooLarge,
    /// The request's line and headers are longer than allowed.
    HeaderTooLarge,
    /// CONNECT: this proxy leads to its own apps only.
    NotImplemented,
    /// No route has this host and path.
    NoRoute,
    /// The route has no instance at all, and does not wait for one.
    NoInstance,
    /// No instance became ready while the request was held.
    HoldTimeout,
    /// Too many requests are held already.
    HeldTooMany,
    /// An operator has put the app into maintenance.
    Maintenance,
    /// No instance could be connected to.
    ConnectFailed,
    /// The instance broke off before its response.
    UpstreamReset,
    /// The instance sent something that is no HTTP.
    UpstreamInvalid,
    /// The instance's response did not come in time.
    UpstreamTimeout,
}

impl Problem {
    /// The response's status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::SlowHeader | Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::NoRoute | Self::NoInstance | Self::HoldTimeout | Self::HeldTooMany | Self::Maintenance => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::ConnectFailed | Self::UpstreamReset | Self::UpstreamInvalid => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Its word, as the header has it. Never changes.
    pub fn word(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::SlowHeader => "slow-header",
            Self::SlowBody => "slow-body",
            Self::TooLarge => "too-large",
            Self::HeaderTooLarge => "header-too-large",
            Self::NotImplemented => "not-implemented",
            Self::NoRoute => "no-route",
            Self::NoInstance => "no-instance",
            Self::HoldTimeout => "hold-timeout",
            Self::HeldTooMany => "held-too-many",
            Self::Maintenance => "maintenance",
            Self::ConnectFailed => "connect-failed",
            Self::UpstreamReset => "upstream-reset",
            Self::UpstreamInvalid => "upstream-invalid",
            Self::UpstreamTimeout => "upstream-timeout",
        }
    }

    /// One sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::BadRequest => "The request could not be understood.",
            Self::SlowHeader | Self::SlowBody => "The request took too long to arrive.",
            Self::TooLarge => "The request is larger than this service accepts.",
            Self::HeaderTooLarge => "The request's headers are larger than this service accepts.",
            Self::NotImplemented => "This method is not available here.",
            Self::NoRoute => "Nothing is served under this address at the moment.",
            Self::NoInstance | Self::HoldTimeout | Self::HeldTooMany => {
                "The service is not available at the moment. Please try again shortly."
            }
            Self::Maintenance => "The service is being worked on. Please come back in a while.",
            Self::ConnectFailed | Self::UpstreamReset | Self::UpstreamInvalid => {
                "The service could not answer this request. Please try again."
            }
            Self::UpstreamTimeout => "The service took too long to answer.",
        }
    }

    /// Whether the connection must end with the answer: what else arrives on it is not to be trusted, or is the
    /// rest of a body that nobody wants.
    pub fn closes(self) -> bool {
        matches!(
            self,
            Self::BadRequest
                | Self::SlowHeader
                | Self::SlowBody
                | Self::TooLarge
                | Self::HeaderTooLarge
                | Self::NotImplemented
        )
    }

    /// When to try again, in s.
    pub fn retry_after(self) -> Option<u32> {
        match self {
            Self::NoInstance | Self::HoldTimeout | Self::HeldTooMany => Some(1),
            Self::NoRoute => Some(5),
            _ => None,
        }
    }
}
