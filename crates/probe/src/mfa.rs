//! A function by its name.

use std::fmt;

use beam::Term;
use beam::print::{Elixir, Erlang};
use beam::term::{Atom, Export};

use crate::answer::{Part, Unexpected};

/// A function: `Module:Function/Arity`, shown as Erlang writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mfa {
    /// The module's atom, as `lists` or `Elixir.Enum`.
    pub module: String,
    /// The function's atom.
    pub function: String,
    /// How many arguments it takes.
    pub arity: u8,
}

impl Mfa {
    /// As Elixir writes it: `Enum.map/2`, `:lists.map/2`.
    pub fn elixir(&self) -> String {
        without(&Elixir::default().print(&self.term()), "&")
    }

    /// `{Module, Function, Arity}`.
    pub(crate) fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [module, function, arity] = part.tuple()?;
        let arity = u8::try_from(arity.number()?);
        let arity = arity.map_err(|_| Unexpected { part: "arity", wanted: "a small number" })?;
        Ok(Self { module: module.atom()?.to_owned(), function: function.atom()?.to_owned(), arity })
    }

    fn term(&self) -> Term {
        Term::Export(Box::new(Export {
            module: Atom::new(&self.module),
            function: Atom::new(&self.function),
            arity: self.arity,
        }))
    }
}

impl fmt::Display for Mfa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without(&Erlang::default().print_flat(&self.term()), "fun "))
    }
}

fn without(text: &str, prefix: &str) -> String {
    text.strip_prefix(prefix).unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_as_either_language_writes_it() {
        let of = |module: &str, function: &str| Mfa {
            module: module.to_owned(),
            function: function.to_owned(),
            arity: 2,
        };
        let (map, odd) = (of("Elixir.Enum", "map"), of("lists", "odd one"));
        assert_eq!((map.to_string(), map.elixir()), ("'Elixir.Enum':map/2".into(), "Enum.map/2".into()));
        assert_eq!(odd.to_string(), "lists:'odd one'/2");
        assert_eq!(odd.elixir(), ":lists.\"odd one\"/2");
    }
}
