//! By which way a deployment takes instances to another version.

use std::collections::BTreeSet;

use model::FindingCode;
use serde::{Deserialize, Serialize};
use upgrade::finding::Code;

/// By which way a deployment takes instances to another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By fresh instances.
    Full,
    /// Hot where that is safe, else by fresh instances.
    Auto,
    /// Hot or not at all.
    Hot,
}

/// What the app's state machine is told of it; without a way the settings decide.
pub fn wish(way: Option<Way>, force: &BTreeSet<Code>) -> model::app::Wish {
    model::app::Wish {
        way: match way {
            None => model::app::Way::AsSet,
            Some(Way::Full) => model::app::Way::Full,
            Some(Way::Auto) => model::app::Way::Auto,
            Some(Way::Hot) => model::app::Way::Hot,
        },
        forced: force.iter().map(|code| code_of(*code)).collect(),
    }
}

fn code_of(code: Code) -> FindingCode {
    code.to_string().parse().expect("codes are written as settings write them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_can_be_told() {
        let all = wish(Some(Way::Hot), &Code::ALL.iter().copied().collect());
        assert_eq!(all.forced.len(), Code::ALL.len());
    }
}
