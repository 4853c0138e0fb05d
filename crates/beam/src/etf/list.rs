//! Lists as they are sent: a count, the elements, a tail.

use super::{DecodeError, Reader, tag};
use crate::Term;
use crate::term::Items;

impl<'a> Reader<'a> {
    /// After the tag of a list. A list whose tail is a list is one list: it costs no depth.
    pub(super) fn list(&mut self) -> Result<Term, DecodeError> {
        let mut items = Items::new();
        self.descend()?;
        let tail = loop {
            let count = self.length32()?;
            self.elements(count, &mut items)?;
            match self.byte()? {
                tag::LIST => {}
                tag::NIL => break None,
                tag::STRING => {
                    let bytes = self.string_bytes()?;
                    items.extend(bytes.iter().map(|&byte| Term::Integer(i64::from(byte))));
                    break None;
                }
                other => break Some(self.tagged(other)?),
            }
        };
        self.ascend();
        Ok(match tail {
            None => Term::List(items),
            Some(tail) if items.is_empty() => tail,
            Some(tail) => Term::ImproperList(Box::new((items, tail))),
        })
    }

    /// After the tag of a string.
    pub(super) fn string(&mut self) -> Result<Term, DecodeError> {
        self.string_bytes().map(Term::charlist)
    }

    fn string_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.length16()?;
        self.take(length)
    }
}
