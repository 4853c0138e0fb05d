//! Why something failed in the node, in words for logs and people: what it was called with may be secret or long.

use beam::Term;
use beam::print::Erlang;

/// Most characters that are shown.
const MOST_CHARS: usize = 500;
/// Most terms that are looked at: more do not fit.
const MOST_TERMS: usize = MOST_CHARS;

/// A reason, or another term that a node gave, as Erlang text: cut short, with the number of arguments for the arguments
/// in its stack.
pub fn shown(reason: &Term) -> String {
    let text = Erlang::default().print_flat(&brief(reason, &mut 0));
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// A copy that has no arguments and not too much of anything.
fn brief(term: &Term, seen: &mut usize) -> Term {
    *seen += 1;
    match term {
        Term::Tuple(parts) => match &parts[..] {
            // {M, F, Args} of an exit, {M, F, Args, Location} and {Fun, Args, Location} of a stack
            [module @ Term::Atom(_), function @ Term::Atom(_), arguments, rest @ ..]
                if rest.len() < 2 && count(arguments).is_some() =>
            {
                let arity = count(arguments).map(Term::Integer);
                let rest = rest.iter().map(|term| brief(term, seen));
                Term::tuple([module.clone(), function.clone()].into_iter().chain(arity).chain(rest))
            }
            [Term::Fun(_), arguments, location] if count(arguments).is_some() => {
                let arity = count(arguments).map(Term::Integer);
                Term::tuple([Term::atom("fun")].into_iter().chain(arity).chain([brief(location, seen)]))
            }
            parts => Term::tuple(some(parts, seen)),
        },
        Term::List(items) => Term::list(some(items, seen)),
        Term::Map(pairs) => {
            let left = MOST_TERMS.saturating_sub(*seen);
            Term::map(pairs.iter().take(left).map(|(key, value)| (brief(key, seen), brief(value, seen))))
        }
        Term::Charlist(bytes) => Term::charlist(&bytes[..bytes.len().min(MOST_CHARS)]),
        Term::Binary(bytes) => Term::binary(bytes.to_bytes().slice(..bytes.len().min(MOST_CHARS))),
        Term::Integer(_) | Term::Float(_) | Term::Atom(_) => term.clone(),
        Term::Pid(_) | Term::Port(_) | Term::Reference(_) | Term::Export(_) => term.clone(),
        _ => Term::atom("..."),
    }
}

fn some(terms: &[Term], seen: &mut usize) -> Vec<Term> {
    let left = MOST_TERMS.saturating_sub(*seen);
    terms.iter().take(left).map(|term| brief(term, seen)).collect()
}

/// How many elements a list has.
fn count(list: &Term) -> Option<i64> {
    match list {
        Term::List(items) => i64::try_from(items.len()).ok(),
        Term::Charlist(bytes) => i64::try_from(bytes.len()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Term {
        beam::text::consult(format!("{text}.").as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn arguments_are_counted_and_not_shown() {
        let reason =
            "{'EXIT',{function_clause,[{shop,buy,[\"secret\",{card,1}],[{line,7}]},{shop,f,2,[{line,9}]}]}}";
        assert_eq!(
            shown(&read(reason)),
            "{'EXIT',{function_clause,[{shop,buy,2,[{line,7}]},{shop,f,2,[{line,9}]}]}}"
        );
        // [1,2] comes as a string
        assert_eq!(shown(&read("{badarg,[{m,f,\"\\1\\2\",[]}]}")), "{badarg,[{m,f,2,[]}]}");
        assert_eq!(shown(&read("{noproc,{gen_server,call,[p,secret]}}")), "{noproc,{gen_server,call,2}}");
    }

    #[test]
    fn it_is_short_however_long_the_reason_is() {
        let many = Term::list((0..100_000).map(|number| Term::tuple([Term::Integer(number)])));
        let deep =
            (0..400).fold(Term::binary(vec![b'x'; 1 << 20]), |term, _| Term::list([Term::Integer(1), term]));
        for reason in [many.clone(), Term::binary(vec![b'x'; 1 << 20]), deep] {
            assert_eq!(shown(&reason).chars().count(), MOST_CHARS + 3);
        }
    }
}
