//! Variables.

use std::collections::BTreeMap;

use api::variable::{Variable, VariableSource};
use model::VariableName;
use model::app::Variables;
use model::settings::VariableValue;

/// Variables by name: what the settings say, and over it what was set by hand.
pub(in crate::http) fn variables(
    by_settings: &BTreeMap<VariableName, VariableValue>,
    set: &Variables,
) -> Vec<Variable> {
    let mut all: BTreeMap<&VariableName, (&VariableValue, VariableSource)> = BTreeMap::new();
    all.extend(by_settings.iter().map(|(name, value)| (name, (value, VariableSource::Settings))));
    all.extend(set.iter().map(|(name, value)| (name, (value, VariableSource::Set))));
    let variable = |(name, (value, from)): (&VariableName, (&VariableValue, _))| Variable {
        name: name.to_string(),
        value: value.to_string(),
        from,
    };
    all.into_iter().map(variable).collect()
}
