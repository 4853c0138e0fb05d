//! A place in a text, with its line and column.

use super::{Problem, TextError};

pub(super) struct Cursor<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1, column: 1 }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn starts_with(&self, prefix: &str) -> bool {
        self.rest.starts_with(prefix)
    }

    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(super) fn advance(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = &self.rest[next.len_utf8()..];
        if next == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(next)
    }

    pub(super) fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let before = self.rest;
        while self.peek().is_some_and(&accept) {
            self.advance();
        }
        &before[..before.len() - self.rest.len()]
    }

    pub(super) fn take_prefix(&mut self, prefix: &str) -> bool {
        let found = self.starts_with(prefix);
        if found {
            prefix.chars().for_each(|_| {
                self.advance();
            });
        }
        found
    }

    /// Skips white space and comments.
    pub(super) fn skip_blank(&mut self) {
        while let Some(next) = self.peek() {
            if next == '%' {
                self.take_while(|character| character != '\n');
            } else if next.is_whitespace() || next.is_control() {
                self.advance();
            } else {
                return;
            }
        }
    }

    pub(super) fn expect(&mut self, wanted: char, expected: &'static str) -> Result<(), TextError> {
        match self.peek() {
            Some(next) if next == wanted => {
                self.advance();
                Ok(())
            }
            Some(found) => Err(self.error(Problem::Unexpected { found, expected })),
            None => Err(self.error(Problem::End(expected))),
        }
    }

    pub(super) fn error(&self, problem: Problem) -> TextError {
        TextError { line: self.line, column: self.column, problem }
    }
}
