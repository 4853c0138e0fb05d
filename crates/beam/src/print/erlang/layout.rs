//! Lines, as Erlang's shell breaks them.
//!
//! Elements of a list or tuple follow each other on a line as long as they are single words; a container begins a
//! line of its own unless it comes first. Elements that follow an atom at the head of a tuple are indented by its
//! length, if no line is pushed beyond the half of the width by that anywhere; else by 4 everywhere, else by 1.
//!
//! Lengths are compared in the same order and with the same small inconsistencies as in OTP, because what is written
//! is to be equal: the dry run that chooses the indentation counts a column more in a map than the writing does.

use super::piece::{Piece, Shape, pair_length, segments, write_pair};

/// How deep the elements of a tagged tuple are indented.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Indentation {
    /// By the length of the tag.
    Tag,
    /// By so many, where the tag is longer.
    Fixed(usize),
}

/// Where something is written.
#[derive(Clone, Copy)]
struct Place {
    /// The column, from 1.
    column: usize,
    /// Brackets to be closed right after it.
    closing: usize,
    /// Characters that were counted on this line.
    used: usize,
}

impl Place {
    fn new(column: usize, closing: usize, used: usize) -> Self {
        Self { column, closing, used }
    }
}

/// A tag that reaches too far to the right.
struct TooFar;

type Laid<T = ()> = Result<T, TooFar>;

pub(super) fn lay_out(piece: &Piece<'_>, width: usize) -> String {
    let mut text = String::new();
    if piece.length + 1 < width {
        piece.write(&mut text);
        return text;
    }
    let run = |indentation, is_dry| {
        let mut layout = Layout { text: String::new(), width, longest: piece.length, indentation, is_dry };
        layout.piece(piece, Place::new(1, 0, 0)).map(|()| layout.text)
    };
    let fitting = [Indentation::Tag, Indentation::Fixed(4)].into_iter().find(|&it| run(it, true).is_ok());
    run(fitting.unwrap_or(Indentation::Fixed(1)), false).unwrap_or_default()
}

struct Layout {
    text: String,
    width: usize,
    /// Most characters that are counted on a line.
    longest: usize,
    indentation: Indentation,
    /// Only to see whether the indentation is one that fits: then the text does not matter.
    is_dry: bool,
}

impl Layout {
    fn fits(&self, length: usize, at: Place) -> bool {
        length + at.column + at.closing < self.width && length + at.used + at.closing <= self.longest
    }

    fn piece(&mut self, piece: &Piece<'_>, at: Place) -> Laid {
        if self.fits(piece.length, at) {
            piece.write(&mut self.text);
            return Ok(());
        }
        let Place { column, closing, used } = at;
        match &piece.shape {
            Shape::Word(word) => self.text.push_str(word),
            Shape::Bits(..) => self.bits(piece, at),
            Shape::List(items, tail) => {
                self.text.push('[');
                self.sequence(items, tail.as_deref(), Place::new(column + 1, closing, used + 1))?;
                self.text.push(']');
            }
            Shape::Tuple(elements, false) => {
                self.text.push('{');
                self.sequence(elements, None, Place::new(column + 1, closing, used + 1))?;
                self.text.push('}');
            }
            Shape::Tuple(elements, true) => {
                self.text.push('{');
                self.tagged(elements, Place::new(column, closing, used + 1))?;
                self.text.push('}');
            }
            Shape::Map(pairs) => {
                self.text.push_str("#{");
                let used = used + if self.is_dry { 2 } else { 1 };
                self.pairs(pairs, Place::new(column + 2, closing, used))?;
                self.text.push('}');
            }
        }
        Ok(())
    }

    fn line(&mut self, column: usize) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n(' ', column - 1));
    }

    /// A tuple of an atom and others, after its brace; `at` is the place of the brace.
    fn tagged(&mut self, elements: &[Piece<'_>], at: Place) -> Laid {
        let Some((tag, rest)) = elements.split_first() else { return Ok(()) };
        let after_tag = at.column + tag.length + 2;
        tag.write(&mut self.text);
        match self.indentation {
            Indentation::Fixed(fixed) if tag.length + 2 > fixed => {
                let column = at.column + fixed;
                self.check(column <= self.width / 2)?;
                let place = Place::new(after_tag, at.closing, at.used + tag.length);
                self.tail(rest, None, column, place)
            }
            _ => {
                self.check(after_tag < self.width / 2)?;
                self.text.push(',');
                self.sequence(rest, None, Place::new(after_tag, at.closing, at.used + tag.length + 1))
            }
        }
    }

    fn check(&self, is_good: bool) -> Laid {
        if is_good || !self.is_dry { Ok(()) } else { Err(TooFar) }
    }

    /// Elements of which the first comes right here, and the others in its column.
    fn sequence(&mut self, items: &[Piece<'_>], tail: Option<&Piece<'_>>, at: Place) -> Laid {
        let Some((first, rest)) = items.split_first() else { return Ok(()) };
        let closing = closing_after(rest.is_empty(), at.closing);
        let width = self.element(first, Place { closing, ..at })?;
        let after = Place::new(at.column + width, at.closing, at.used + width);
        self.tail(rest, tail, at.column, after)
    }

    /// Further elements: on this line while they are words that fit, else on one that begins at `column`.
    fn tail(&mut self, items: &[Piece<'_>], tail: Option<&Piece<'_>>, column: usize, mut at: Place) -> Laid {
        for (index, item) in items.iter().enumerate() {
            let closing = closing_after(index + 1 == items.len(), at.closing);
            self.text.push(',');
            let width = if item.is_word() && self.follows(1 + item.length, closing, at) {
                item.write(&mut self.text);
                at.column += 1 + item.length;
                at.used += 1 + item.length;
                continue;
            } else {
                self.line(column);
                self.element(item, Place::new(column, closing, 0))?
            };
            at = Place::new(column + width, at.closing, width);
        }
        tail.map_or(Ok(()), |tail| self.improper(tail, column, at))
    }

    /// Whether so much more fits on the line; what is not the last has a comma after it.
    fn follows(&self, length: usize, closing: usize, at: Place) -> bool {
        self.fits(length, Place { closing: closing.max(1), ..at })
    }

    fn improper(&mut self, tail: &Piece<'_>, column: usize, at: Place) -> Laid {
        self.text.push('|');
        let closing = at.closing + 1;
        if tail.is_word() && self.fits(1 + tail.length, Place { closing, ..at }) {
            tail.write(&mut self.text);
            return Ok(());
        }
        self.line(column);
        let column = if self.is_dry { at.column } else { column };
        self.piece(tail, Place::new(column, closing, 0))
    }

    /// Writes an element; tells how much of the line it takes, which is all of it unless it is a word.
    fn element(&mut self, piece: &Piece<'_>, at: Place) -> Laid<usize> {
        let is_word = piece.is_word() && self.fits(piece.length, at);
        self.piece(piece, at)?;
        Ok(if is_word { piece.length } else { self.width })
    }

    fn pairs(&mut self, pairs: &[(Piece<'_>, Piece<'_>)], at: Place) -> Laid {
        let Some((first, rest)) = pairs.split_first() else { return Ok(()) };
        let column = at.column;
        let closing = closing_after(rest.is_empty(), at.closing);
        let width = self.pair(first, Place { closing, ..at })?;
        let used = if self.is_dry { at.used + width } else { width };
        let mut at = Place::new(column + width, at.closing, used);
        for (index, pair) in rest.iter().enumerate() {
            let closing = closing_after(index + 1 == rest.len(), at.closing);
            let length = 1 + pair_length(pair);
            self.text.push(',');
            if is_words(pair) && self.follows(length, closing, at) {
                write_pair(pair, &mut self.text);
                at.column += length;
                at.used += length;
                continue;
            }
            self.line(column);
            let width = self.pair(pair, Place::new(column, closing, 0))?;
            at = Place::new(column + width, at.closing, width);
        }
        Ok(())
    }

    fn pair(&mut self, pair: &(Piece<'_>, Piece<'_>), at: Place) -> Laid<usize> {
        let length = pair_length(pair);
        if self.fits(length, at) {
            write_pair(pair, &mut self.text);
            return Ok(if is_words(pair) { length } else { self.width });
        }
        let (key, value) = pair;
        self.piece(key, at)?;
        self.text.push_str(" =>");
        let indentation = match self.indentation {
            Indentation::Tag => 4,
            Indentation::Fixed(fixed) => fixed,
        };
        let column = at.column + indentation;
        self.line(column);
        self.piece(value, Place::new(column, at.closing, 0))?;
        Ok(self.width)
    }

    /// Numbers as many as fit on each line, at least one.
    fn bits(&mut self, piece: &Piece<'_>, at: Place) {
        let Shape::Bits(bytes, last) = &piece.shape else { return };
        let column = at.column + 2;
        let by_width = self.width.saturating_sub(column);
        let by_longest = self.longest.saturating_sub(4 + at.used);
        let room = by_width.min(by_longest).saturating_sub(at.closing).max(8);
        self.text.push_str("<<");
        let mut left = room;
        let mut segments = segments(bytes, *last).peekable();
        while let Some(mut segment) = segments.next() {
            if segments.peek().is_some() {
                segment.push(',');
            }
            if segment.len() > left {
                self.line(column);
                left = room;
            }
            left = left.saturating_sub(segment.len());
            self.text.push_str(&segment);
        }
        self.text.push_str(">>");
    }
}

/// How many brackets come right after an element.
fn closing_after(is_last: bool, around: usize) -> usize {
    if is_last { around + 1 } else { 0 }
}

fn is_words((key, value): &(Piece<'_>, Piece<'_>)) -> bool {
    key.is_word() && value.is_word()
}
