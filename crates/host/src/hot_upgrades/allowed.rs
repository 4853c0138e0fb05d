//! What a hot upgrade is allowed to do: as settings say, and a deployment.

use std::collections::BTreeSet;

use model::FindingCode;
use model::app::{App, Hot, Target};
use model::settings::{HotSettings, UpgradeMode};
use upgrade::finding::Code;
use upgrade::plan::Direction;
use upgrade::policy::{Accepted, Mode, Override, Policy};

/// What settings allow, of an upgrade that may be hot.
pub fn allowed(settings: &HotSettings) -> Policy {
    Policy {
        accepted: settings.accept.as_ref().map_or(Accepted::All, |accepted| Accepted::Only(codes(accepted))),
        // They were read by the same rule.
        overrides: settings.modules.iter().flat_map(|it| Override::of_module(it.as_str())).collect(),
        restarted: settings.restart.iter().map(ToString::to_string).collect(),
        ignored_appups: settings.ignore_appups.iter().map(ToString::to_string).collect(),
        ..Policy::default()
    }
}

/// What an app's settings and a deployment allow together.
pub(crate) fn policy(app: &App, to: Target, hot: &Hot, way: Direction) -> Policy {
    let settings = app.revision(to).map(|it| allowed(&it.settings.hot)).unwrap_or_default();
    Policy {
        mode: match hot.mode {
            UpgradeMode::Never => Mode::Never,
            UpgradeMode::Package => Mode::Package,
            UpgradeMode::Auto => Mode::Auto,
        },
        way,
        accepted: if hot.only { Accepted::All } else { settings.accepted },
        forced: codes(&hot.forced),
        ..settings
    }
}

pub(crate) fn direction(is_back: bool) -> Direction {
    if is_back { Direction::Down } else { Direction::Up }
}

/// One that this version does not know is none that it finds.
fn codes(texts: &BTreeSet<FindingCode>) -> BTreeSet<Code> {
    texts.iter().filter_map(|text| text.as_str().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_settings_say_is_part_of_the_policy() {
        let settings: HotSettings = serde_json::from_value(serde_json::json!({
            "accept": ["BR-H012", "BR-H999"],
            "restart": ["till"],
            "ignore_appups": ["shop"],
            "modules": ["Shop.Cart=restart", "shop_log=load"],
            "gate": 5000,
            "deadline": 60000,
        }))
        .unwrap();
        let policy = allowed(&settings);
        assert_eq!(policy.accepted, Accepted::Only(BTreeSet::from(["BR-H012".parse().unwrap()])));
        assert_eq!(policy.restarted, BTreeSet::from(["till".to_owned()]));
        assert_eq!(policy.ignored_appups, BTreeSet::from(["shop".to_owned()]));
        let overrides = [("Elixir.Shop.Cart", Override::Restart), ("shop_log", Override::Load)];
        assert_eq!(policy.overrides, overrides.map(|(name, what)| (name.to_owned(), what)).into());
    }
}
