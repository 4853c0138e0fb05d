//! Reading answers: a term and what it is, for the error when it is something else.

use beam::Term;
use beam::print::Erlang;

/// An answer, or a part of one, is not of the form that the question has. What it is instead is not told: it may be long,
/// or secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} is not {wanted}")]
pub struct Unexpected {
    /// Which part of the answer.
    pub part: &'static str,
    /// What it should have been.
    pub wanted: &'static str,
}

/// A part of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    name: &'static str,
    term: &'a Term,
}

impl<'a> Part<'a> {
    /// A whole answer.
    pub fn new(name: &'static str, term: &'a Term) -> Self {
        Self { name, term }
    }

    fn wanted<T>(self, read: Option<T>, wanted: &'static str) -> Result<T, Unexpected> {
        read.ok_or(Unexpected { part: self.name, wanted })
    }

    /// The value of a key of a map.
    ///
    /// # Errors
    /// When it is something else.
    pub fn field(self, key: &'static str) -> Result<Part<'a>, Unexpected> {
        let value = self.term.get(key).ok_or(Unexpected { part: key, wanted: "there" })?;
        Ok(Part { name: key, term: value })
    }

    /// The value of a key of a property list.
    ///
    /// # Errors
    /// When it is something else.
    pub fn property(self, key: &'static str) -> Result<Part<'a>, Unexpected> {
        let value = self.term.property(key).ok_or(Unexpected { part: key, wanted: "there" })?;
        Ok(Part { name: key, term: value })
    }

    /// The elements of a tuple.
    ///
    /// # Errors
    /// When it is something else.
    pub fn tuple<const N: usize>(self) -> Result<[Part<'a>; N], Unexpected> {
        let elements = self.term.as_tuple().and_then(|elements| <&[Term; N]>::try_from(elements).ok());
        let elements = self.wanted(elements, "a tuple of the right size")?;
        Ok(std::array::from_fn(|at| Part { name: self.name, term: &elements[at] }))
    }

    /// The items of a list.
    ///
    /// # Errors
    /// When it is something else.
    pub fn each<T>(
        self,
        mut read: impl FnMut(Part<'_>) -> Result<T, Unexpected>,
    ) -> Result<Vec<T>, Unexpected> {
        let items = self.wanted(self.term.as_list(), "a list")?;
        items.iter().map(|term| read(Part { name: self.name, term })).collect()
    }

    /// Something, or the atom `none`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn optional<T>(
        self,
        read: impl FnOnce(Part<'a>) -> Result<T, Unexpected>,
    ) -> Result<Option<T>, Unexpected> {
        if self.term.as_atom() == Some("none") { Ok(None) } else { read(self).map(Some) }
    }

    /// A number that is not negative.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(self) -> Result<u64, Unexpected> {
        let number = self.term.as_integer().and_then(|number| u64::try_from(number).ok());
        self.wanted(number, "a number that is not negative")
    }

    /// A small number that is not negative.
    ///
    /// # Errors
    /// When it is something else.
    pub fn small(self) -> Result<u32, Unexpected> {
        self.wanted(u32::try_from(self.number()?).ok(), "a small number")
    }

    /// A binary in UTF-8.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(self) -> Result<String, Unexpected> {
        let text = self.term.as_binary().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        self.wanted(text, "a text")
    }

    /// An atom's name.
    ///
    /// # Errors
    /// When it is something else.
    pub fn atom(self) -> Result<&'a str, Unexpected> {
        self.wanted(self.term.as_atom(), "an atom")
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn truth(self) -> Result<bool, Unexpected> {
        let truth = match self.term.as_atom() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        self.wanted(truth, "true or false")
    }

    /// A process as its own node shows it: `<0.84.0>`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn pid(self) -> Result<String, Unexpected> {
        let pid = self.term.as_pid().map(|_| Erlang::default().print_flat(self.term));
        self.wanted(pid, "a process")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Term {
        beam::text::consult(format!("{text}.").as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn what_is_of_the_right_form_is_read() {
        let answer = read("#{some => {7, none, [1, 2]}, name => <<\"x\">>}");
        let answer = Part::new("the answer", &answer);
        let [seven, none, list] = answer.field("some").unwrap().tuple().unwrap();
        assert_eq!((seven.number(), seven.optional(Part::small)), (Ok(7), Ok(Some(7))));
        assert_eq!(none.optional(Part::number), Ok(None));
        // [1,2] comes as a string
        assert_eq!(list.each(|part| part.number()), Ok(vec![1, 2]));
        assert_eq!(answer.field("name").unwrap().text(), Ok("x".to_owned()));
    }

    #[test]
    fn what_is_not_is_told_by_its_name() {
        let answer = read("#{atoms => {1, 2}, port => -1, name => <<255>>}");
        let answer = Part::new("the answer", &answer);
        let told = |error: Unexpected| error.to_string();
        assert_eq!(told(answer.field("ets").err().unwrap()), "ets is not there");
        let atoms = answer.field("atoms").unwrap();
        assert_eq!(told(atoms.tuple::<3>().err().unwrap()), "atoms is not a tuple of the right size");
        assert_eq!(told(atoms.number().unwrap_err()), "atoms is not a number that is not negative");
        assert!(answer.field("port").unwrap().number().is_err());
        assert!(answer.field("name").unwrap().text().is_err());
        assert!(answer.field("name").unwrap().pid().is_err());
        assert!(atoms.each(|part| part.number()).is_err());
    }
}
