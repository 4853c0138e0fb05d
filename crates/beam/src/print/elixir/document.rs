//! Documents and how they become lines, after Lindig's "Strictly Pretty" with the breaks of Elixir's formatter.

use std::borrow::Cow;

/// Text with places where a line may end.
pub(super) enum Document {
    /// Never broken.
    Word(Cow<'static, str>),
    /// One after the other.
    All(Vec<Document>),
    /// Lines that begin in it are indented by so many more.
    Nest(usize, Box<Document>),
    /// Its breaks are all lines or all not, but for those that flow.
    Group(Box<Document>),
    /// These spaces, or a new line.
    Break {
        spaces: usize,
        /// A line only if what follows does not fit.
        is_flowing: bool,
    },
}

impl Document {
    pub(super) fn word(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Word(text.into())
    }

    pub(super) fn all(documents: impl Into<Vec<Self>>) -> Self {
        Self::All(documents.into())
    }

    pub(super) fn nest(by: usize, document: Self) -> Self {
        Self::Nest(by, Box::new(document))
    }

    pub(super) fn group(document: Self) -> Self {
        Self::Group(Box::new(document))
    }

    pub(super) fn space(is_flowing: bool) -> Self {
        Self::Break { spaces: 1, is_flowing }
    }

    pub(super) fn line() -> Self {
        Self::Break { spaces: 0, is_flowing: false }
    }

    /// Whether there is no place in it where a line may end.
    pub(super) fn is_words(&self) -> bool {
        match self {
            Self::Word(_) => true,
            Self::All(documents) => documents.iter().all(Self::is_words),
            Self::Nest(..) | Self::Group(_) | Self::Break { .. } => false,
        }
    }

    /// Its text, in lines of so many bytes (as Elixir counts) if it can be.
    pub(super) fn lay_out(&self, width: Option<usize>) -> String {
        let mut text = String::new();
        let mut column = 0;
        let mut rest = vec![Rest { indentation: 0, is_broken: false, document: self }];
        while let Some(Rest { indentation, is_broken, document }) = rest.pop() {
            let with = |document| Rest { indentation, is_broken, document };
            match document {
                Self::Word(word) => {
                    text.push_str(word);
                    column += word.len();
                }
                Self::All(documents) => rest.extend(documents.iter().rev().map(with)),
                Self::Nest(by, inner) => {
                    rest.push(Rest { indentation: indentation + by, is_broken, document: inner });
                }
                Self::Group(inner) => {
                    let flat = Rest { indentation, is_broken: false, document: inner };
                    let is_broken = width.is_some_and(|width| !fits(width, column, false, &[flat]));
                    rest.push(Rest { indentation, is_broken, document: inner });
                }
                Self::Break { spaces, is_flowing } => {
                    let after = column + spaces;
                    let is_line = is_broken
                        && width.is_some_and(|width| !(*is_flowing && fits(width, after, true, &rest)));
                    let blank = if is_line {
                        text.push('\n');
                        column = indentation;
                        indentation
                    } else {
                        column = after;
                        *spaces
                    };
                    text.extend(std::iter::repeat_n(' ', blank));
                }
            }
        }
        text
    }
}

/// What is still to be written, the next one last.
#[derive(Clone, Copy)]
struct Rest<'a> {
    indentation: usize,
    is_broken: bool,
    document: &'a Document,
}

enum Ahead<'a> {
    Document(&'a Document, bool),
    /// The end of a group.
    End(bool),
}

/// Whether it fits up to the next place where a line ends. What has no place for that before it counts as fitting,
/// because it would not get better.
fn fits(width: usize, mut column: usize, mut has_break: bool, rest: &[Rest<'_>]) -> bool {
    let mut rest = rest.iter().rev();
    let mut ahead: Vec<Ahead<'_>> = Vec::new();
    loop {
        if column > width && has_break {
            return false;
        }
        let next = ahead.pop().or_else(|| rest.next().map(|it| Ahead::Document(it.document, it.is_broken)));
        match next {
            None => return true,
            Some(Ahead::End(before)) => has_break = before,
            Some(Ahead::Document(document, is_broken)) => match document {
                Document::Word(word) => column += word.len(),
                Document::All(documents) => {
                    ahead.extend(documents.iter().rev().map(|it| Ahead::Document(it, is_broken)));
                }
                Document::Nest(_, inner) => ahead.push(Ahead::Document(inner, is_broken)),
                Document::Group(inner) => {
                    ahead.extend([Ahead::End(has_break), Ahead::Document(inner, false)])
                }
                Document::Break { .. } if is_broken => return true,
                Document::Break { spaces, .. } => {
                    column += spaces;
                    has_break = true;
                }
            },
        }
    }
}
