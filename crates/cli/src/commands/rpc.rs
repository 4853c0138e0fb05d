//! `rpc`

use api::console::Language;

use super::Context;
use super::eval::Asked;
use super::target::Target;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::time::parse_span;

/// Calls a function in the node of a running instance and prints its result.
///
/// It is `eval` with the function's name and arguments apart, for scripts: `bellrock rpc shop lists:seq '1, 3'`,
/// `bellrock rpc shop/2 Shop.Cache:clear`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app, or one of its places: `shop/2`.
    #[arg(value_name = "APP[/INSTANCE]")]
    target: Target,

    /// The function: `lists:seq`, `Shop.Cache:clear`, `Shop.Cache.clear`.
    #[arg(value_name = "M:F")]
    function: String,

    /// Its arguments, as Erlang between commas.
    #[arg(
        value_name = "ARGUMENTS",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    arguments: String,

    /// It is killed after this time.
    #[arg(long = "for", value_name = "TIME", default_value = "30 s")]
    lasting: String,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let function = function(&args.function).map_err(Failure::Usage)?;
    // the arguments may end with a comment
    let text = format!("{function}({}\n)", args.arguments);
    let lasting = parse_span(&args.lasting).map_err(Failure::Usage)?;
    Asked { target: args.target, language: Language::Erlang, text, lasting }.run(context).await
}

/// A function's name as Erlang, quoted.
pub(super) fn function(name: &str) -> Result<String, String> {
    let wrong = || format!("{name:?} is no function: write MODULE:FUNCTION");
    let (module, function) = name.rsplit_once(':').or_else(|| name.rsplit_once('.')).ok_or_else(wrong)?;
    if module.is_empty() || function.is_empty() {
        return Err(wrong());
    }
    let is_elixir = module.starts_with(char::is_uppercase) && !module.starts_with("Elixir.");
    let module = if is_elixir { format!("Elixir.{module}") } else { module.to_owned() };
    Ok(format!("{}:{}", quoted(&module), quoted(function)))
}

fn quoted(atom: &str) -> String {
    format!("'{}'", atom.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::function;

    #[test]
    fn functions_of_both_languages_are_understood() {
        assert_eq!(function("lists:seq").unwrap(), "'lists':'seq'");
        assert_eq!(function("Shop.Cache:clear").unwrap(), "'Elixir.Shop.Cache':'clear'");
        assert_eq!(function("Shop.Cache.clear").unwrap(), "'Elixir.Shop.Cache':'clear'");
        assert_eq!(function("Elixir.Shop:hot?").unwrap(), "'Elixir.Shop':'hot?'");
        assert_eq!(function("shop@cache:a'b").unwrap(), "'shop@cache':'a\\'b'");
        for wrong in ["seq", ":seq", "lists:"] {
            assert!(function(wrong).is_err(), "{wrong}");
        }
    }
}
