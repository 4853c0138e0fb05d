//! What speaks against, or asks for care with, a hot upgrade: findings with stable codes.
//!
//! [`codes`](self::codes) is the one table of them: code, severity, sentence, remedy. The reference page is made from
//! it ([`reference()`]), reports print from it, settings and `--force` name from it. A code never changes its meaning and
//! is never used again for something else.

mod codes;
mod place;
mod reference;

use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use codes::{Code, Rule, UnknownCode};
pub use place::{Place, module_name};
pub use reference::reference;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nobody has to do anything.
    Note,
    /// The upgrade can be done hot, and something of it differs from a start of the new version.
    Care,
    /// Not hot: a full deployment is right.
    Block,
}

impl Severity {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Care => "care",
            Severity::Block => "block",
        }
    }
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which.
    pub code: Code,
    /// How much it weighs here: that of its rule, less when it was forced.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What was found, in one sentence.
    pub reason: String,
    /// What to do about it.
    #[serde(serialize_with = "remedy_text")]
    pub remedy: &'static str,
    /// Whether `--force` or the settings made it weigh less.
    pub forced: bool,
}

/// A finding as it is read: what to do about it is what its rule says.
#[derive(Deserialize)]
struct Read {
    code: Code,
    severity: Severity,
    place: Place,
    reason: String,
    forced: bool,
}

impl<'de> Deserialize<'de> for Finding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { code, severity, place, reason, forced } = Read::deserialize(deserializer)?;
        Ok(Finding { code, severity, place, reason, remedy: code.rule().remedy, forced })
    }
}

fn remedy_text<S: Serializer>(remedy: &&'static str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(remedy)
}

impl Finding {
    /// A finding; `values` are what its rule's sentence names in braces.
    pub fn new(code: Code, place: Place, values: &[(&str, &str)]) -> Self {
        let rule = code.rule();
        let reason = filled(rule.sentence, &place, values);
        Finding { code, severity: rule.severity, place, reason, remedy: rule.remedy, forced: false }
    }

    /// The same for somebody who takes the risk. What cannot be forced stays.
    pub(crate) fn force(&mut self) {
        if self.severity == Severity::Block && self.code.rule().can_be_forced {
            self.severity = Severity::Care;
            self.forced = true;
        }
    }
}

/// Puts values in the place of names in braces. `{module}`, `{application}` and `{process}` are the place's.
fn filled(sentence: &str, place: &Place, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(sentence.len() + 32);
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let value = values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let value = value.or_else(|| place.part(name));
        debug_assert!(value.is_some(), "nothing was said for {{{name}}} of: {sentence}");
        let _ = write!(text, "{before}{}", value.unwrap_or_else(|| "?".to_owned()));
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_filled_once() {
        let place = Place::Module { application: "shop".into(), module: "Elixir.Shop.Cart".into() };
        let finding = Finding::new(
            Code::StateShapeChanged,
            place,
            &[("behaviour", "gen_server"), ("change", "{state,_} became {module}")],
        );
        assert!(finding.reason.starts_with("Shop.Cart "), "{}", finding.reason);
        assert!(finding.reason.contains("{state,_} became {module}"), "{}", finding.reason);
        assert_eq!(finding.severity, Severity::Block);
    }

    #[test]
    fn only_what_can_be_forced_is() {
        let mut runtime =
            Finding::new(Code::RuntimeChanged, Place::Release, &[("from", "13.1"), ("to", "13.2")]);
        runtime.force();
        assert_eq!((runtime.severity, runtime.forced), (Severity::Block, false));
        let place = Place::Module { application: "a".into(), module: "b".into() };
        let mut native = Finding::new(Code::NativeReload, place, &[]);
        native.force();
        assert_eq!((native.severity, native.forced), (Severity::Care, true));
    }
}
