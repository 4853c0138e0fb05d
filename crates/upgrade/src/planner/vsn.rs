//! What a conversion is told as `OldVsn`.

use beam::Term;
use beam::print::Erlang;

use crate::digest::Digest;
use crate::inventory::Module;

/// The version of a module as `release_handler` tells it, as Erlang text: the only value of its `vsn` attribute, all of them
/// when there are more; without one, as in a stripped module, the number that the compiler would have made it of.
pub(super) fn vsn(module: &Module) -> String {
    told(module.vsn.as_deref(), module.digest)
}

fn told(vsn: Option<&str>, digest: Digest) -> String {
    let Some(text) = vsn else { return u128::from_be_bytes(*digest.as_bytes()).to_string() };
    let terms = beam::text::consult(format!("{text}.").as_bytes()).unwrap_or_default();
    match terms.first().and_then(Term::as_list).as_deref() {
        // a string of one character is a string
        Some([only]) if !only.as_integer().is_some_and(|it| (32..256).contains(&it)) => {
            Erlang::default().print_flat(only)
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_value_is_told_without_its_list() {
        let told = |vsn| super::told(vsn, Digest::from_bytes(7_u128.to_be_bytes()));
        assert_eq!(
            told(Some("[155052811389739143588954170992900890755]")),
            "155052811389739143588954170992900890755"
        );
        assert_eq!(told(Some("[<<\"2\">>]")), "<<\"2\">>");
        assert_eq!(told(Some("[{a,1}]")), "{a,1}");
        assert_eq!(told(Some("[1]")), "1");
        assert_eq!(told(Some("[a,b]")), "[a,b]");
        assert_eq!(told(Some("\"1.0\"")), "\"1.0\"");
        assert_eq!(told(Some("\"A\"")), "\"A\"");
        assert_eq!(told(None), "7");
    }
}
