//! A function of an app that is asked something, as settings name it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most characters of an atom.
const MOST_CHARS: usize = 255;

/// A function without arguments, as `Elixir.Shop.Health:ready/0`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Function {
    module: String,
    name: String,
}

/// A text that names no such function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no function without arguments, Module:function/0")]
pub struct BadFunction(String);

impl Function {
    /// The module's name, as Erlang has it: Elixir's begin with `Elixir.`.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The function's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Function {
    type Err = BadFunction;

    fn from_str(text: &str) -> Result<Self, BadFunction> {
        let bad = || BadFunction(text.chars().take(80).collect());
        let fits = |name: &&str| {
            let quoted = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '\'' | '"' | ':' | '/');
            !name.is_empty() && name.chars().count() <= MOST_CHARS && !name.contains(quoted)
        };
        let (module, rest) = text.split_once(':').ok_or_else(bad)?;
        let name = rest.strip_suffix("/0").filter(fits).ok_or_else(bad)?;
        let module = Some(module).filter(fits).ok_or_else(bad)?;
        Ok(Function { module: module.to_owned(), name: name.to_owned() })
    }
}

impl TryFrom<String> for Function {
    type Error = BadFunction;
    fn try_from(text: String) -> Result<Self, BadFunction> {
        text.parse()
    }
}

impl From<Function> for String {
    fn from(function: Function) -> String {
        function.to_string()
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/0", self.module, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_read_as_it_is_written() {
        for text in ["Elixir.Shop.Health:ready/0", "shop_health:ready/0", "Elixir.Shop:ready?/0"] {
            assert_eq!(text.parse::<Function>().unwrap().to_string(), text);
        }
        let function: Function = "Elixir.Shop.Health:ready/0".parse().unwrap();
        assert_eq!((function.module(), function.name()), ("Elixir.Shop.Health", "ready"));
    }

    #[test]
    fn what_is_none_is_refused() {
        let long = format!("{}:f/0", "m".repeat(256));
        for text in ["", "ready", "m:f", "m:f/1", ":f/0", "m:/0", "m f:g/0", "'m':f/0", "a:b:c/0", &long] {
            assert!(text.parse::<Function>().is_err(), "{text:?}");
        }
    }
}
