//! What the VM of an evaluation has written.

use std::io::{self, Read};

use beam::Term;
use beam::etf::{DecodeError, Limits, decode};
use bytes::Bytes;
use fs_err::File;
use probe::Config;

use super::root::Root;
use super::{EvaluateError, Evaluated};

/// Largest configuration, bytes. `sys.config` files have kilobytes.
const MOST_BYTES: u64 = 16 << 20;

/// Most terms in one.
const MOST_TERMS: usize = 1 << 20;

/// Why what the VM has written is no answer. Nothing of it is shown.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// It cannot be read.
    #[error("the evaluated configuration could not be read")]
    Read(#[from] io::Error),
    /// It is too large.
    #[error("the evaluated configuration has {0} bytes; at most {MOST_BYTES} are taken")]
    TooLarge(u64),
    /// It was not written.
    #[error(
        "the VM has ended well without telling its configuration: something in it ends the VM, with status 0, before it has booted"
    )]
    Empty,
    /// It is no term.
    #[error("the evaluated configuration is no term that can be read")]
    Decode(#[from] DecodeError),
    /// It has another form.
    #[error("the evaluated configuration has another form than it should")]
    Form,
}

/// Reads it.
pub(super) fn read(mut file: &File) -> Result<Evaluated, EvaluateError> {
    let length = file.metadata().map_err(AnswerError::Read)?.len();
    match length {
        0 => return Err(AnswerError::Empty.into()),
        1..=MOST_BYTES => {}
        _ => return Err(AnswerError::TooLarge(length).into()),
    }
    let mut bytes = Vec::new();
    file.by_ref().take(MOST_BYTES).read_to_end(&mut bytes).map_err(AnswerError::Read)?;
    evaluated(bytes.into())
}

fn evaluated(bytes: Bytes) -> Result<Evaluated, EvaluateError> {
    let limits = Limits { bytes: 0, terms: MOST_TERMS, ..Limits::default() };
    let term = decode(&bytes, limits).map_err(AnswerError::Decode)?;
    let Some([tag, Term::Integer(2), config, elsewhere, roots]) = term.as_tuple() else {
        return Err(AnswerError::Form.into());
    };
    let elsewhere = keys_by_application(elsewhere).filter(|_| tag.as_atom() == Some("bellrock_config"));
    let config = Config::of_term(config)?.with_elsewhere(elsewhere.ok_or(AnswerError::Form)?);
    let root = |item: &Term| match item.as_tuple()? {
        [application, told] => Some((application.as_atom()?.to_owned(), Root::read(told)?)),
        _ => None,
    };
    let roots = roots.as_list().and_then(|roots| roots.iter().map(root).collect());
    Ok(Evaluated { config, roots: roots.ok_or(AnswerError::Form)? })
}

fn keys_by_application(term: &Term) -> Option<Vec<(String, Vec<String>)>> {
    let names = |keys: &Term| -> Option<Vec<String>> {
        keys.as_list()?.iter().map(|key| key.as_atom().map(str::to_owned)).collect()
    };
    let one = |item: &Term| match item.as_tuple()? {
        [application, keys] => Some((application.as_atom()?.to_owned(), names(keys)?)),
        _ => None,
    };
    term.as_list()?.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let [term] = &beam::text::consult(text.as_bytes()).unwrap()[..] else { panic!("one term") };
        let bytes = Bytes::from(beam::etf::encode(term).unwrap());
        let told = match evaluated(bytes) {
            Ok(told) => format!("{:?} {:?} {:?}", told.config, told.config.elsewhere(), told.roots),
            Err(error) => crate::chain(&error),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn values_are_read_and_not_shown() {
        check(
            "{bellrock_config, 2, [{shop, [{password, \"tulip\"}]}], [{shop, [handler]}], []}.",
            r#"[Some("shop")] [("shop", ["handler"])] {}"#,
        );
    }

    #[test]
    fn roots_are_read() {
        check(
            "{bellrock_config, 2, [], [], [{shop, {root, shop_sup, {ok, {#{}, []}}}}, {till, {holds, <<\"clock\">>}},
                {cart, {no, <<\"it is late\">>}}]}.",
            r#"[] [] {"cart": Untold("it is late"), "shop": Begins { module: "shop_sup" }, "till": Holds("clock")}"#,
        );
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let form = "the evaluated configuration has another form than it should";
        for text in [
            "ok.",
            "{bellrock_config, 1, [], []}.",
            "{other, 2, [], [], []}.",
            "{bellrock_config, 2, [], [x], []}.",
            "{bellrock_config, 2, [], [], [x]}.",
        ] {
            check(text, form);
        }
        check(
            "{bellrock_config, 2, [x], [], []}.",
            "the configuration is no list of {Application, [{Key, Value}]}: look at its item 1",
        );
    }

    #[test]
    fn a_file_that_is_empty_or_too_large_is_refused() {
        let file = |length| {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().set_len(length).unwrap();
            let opened = File::open(file.path()).unwrap();
            read(&opened).unwrap_err().to_string()
        };
        assert!(file(0).starts_with("the VM has ended well without telling"));
        assert_eq!(
            file(MOST_BYTES + 1),
            "the evaluated configuration has 16777217 bytes; at most 16777216 are taken"
        );
    }
}
