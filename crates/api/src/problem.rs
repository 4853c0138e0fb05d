//! Problems: RFC 9457 problem details, `application/problem+json`.

use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What every problem's type begins with; the rest is its slug.
pub const TYPE_PREFIX: &str = "urn:bellrock:problem:";

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Which problem: stable, for programs; ends in a slug such as `ghosted`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The slug in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, for people.
    pub detail: String,
    /// What to do about it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Problem {
    /// A problem by its slug.
    pub fn new(slug: &str, status: u16, detail: impl Into<String>) -> Self {
        Problem {
            kind: format!("{TYPE_PREFIX}{slug}"),
            title: slug.replace('-', " "),
            status,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The last part of its type, e.g. `ghosted`.
    pub fn slug(&self) -> &str {
        self.kind.strip_prefix(TYPE_PREFIX).unwrap_or(&self.kind)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}
