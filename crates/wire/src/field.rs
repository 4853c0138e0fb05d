//! Tagged fields: `u16 tag | u32 length | value`, all numbers little-endian.
//!
//! Rules of evolution: a reader skips tags it does not know; a missing tag leaves the default; a repeated tag
//! appends to a list and otherwise replaces. Numbers of any width travel as 8 bytes, so a field can be widened.

use crate::error::DecodeError;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Bytes before a field's value.
const HEADER: usize = 6;
/// Deepest nesting of messages that is decoded; real ones need 4.
const MAX_DEPTH: u8 = 16;

/// A value that can be a field of a message.
pub trait Field {
    /// Appends this value as field `tag`; a default value may append nothing.
    fn put(&self, tag: u16, out: &mut Vec<u8>);
    /// Takes the field's bytes: replaces the value, or appends to it if it is a list.
    fn take(&mut self, tag: u16, bytes: &[u8], depth: u8) -> Result<(), DecodeError>;
}

/// A set of tagged fields.
pub trait Message: Default {
    /// Appends all fields.
    fn encode(&self, out: &mut Vec<u8>);
    /// Takes one field; unknown tags are ignored.
    fn take_field(&mut self, tag: u16, bytes: &[u8], depth: u8) -> Result<(), DecodeError>;

    /// Reads a message that fills `bytes`.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_nested(bytes, 0)
    }

    /// Reads a message inside `depth` others.
    fn decode_nested(bytes: &[u8], depth: u8) -> Result<Self, DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        let mut message = Self::default();
        for field in Fields::new(bytes) {
            let (tag, value) = field?;
            message.take_field(tag, value, depth)?;
        }
        Ok(message)
    }
}

/// Appends one field.
pub fn put_bytes(tag: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

/// Walks over the fields in `bytes`; ends after the first error.
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Fields that fill `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn split(&self) -> Option<(u16, &'a [u8], &'a [u8])> {
        let tag = u16::from_le_bytes(self.rest.get(..2)?.try_into().ok()?);
        let length = u32::from_le_bytes(self.rest.get(2..HEADER)?.try_into().ok()?) as usize;
        let end = HEADER.checked_add(length)?;
        Some((tag, self.rest.get(HEADER..end)?, self.rest.get(end..)?))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u16, &'a [u8]), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((tag, value, rest)) = self.split() else {
            self.rest = &[];
            return Some(Err(DecodeError::Truncated));
        };
        self.rest = rest;
        Some(Ok((tag, value)))
    }
}

/// Numbers travel as 8 bytes; zero is the default and is left out.
macro_rules! number_field {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn put(&self, tag: u16, out: &mut Vec<u8>) {
                if *self != 0 {
                    put_bytes(tag, &i128::from(*self).to_le_bytes()[..8], out);
                }
            }
            fn take(&mut self, tag: u16, bytes: &[u8], _: u8) -> Result<(), DecodeError> {
                let bad = DecodeError::BadValue { tag, expected: stringify!($type) };
                if bytes.is_empty() {
                    *self = 0;
                    return Ok(());
                }
                let Ok(bytes) = <[u8; 8]>::try_from(bytes) else { return Err(bad) };
                *self = if <$type>::MIN == 0 {
                    <$type>::try_from(u64::from_le_bytes(bytes)).map_err(|_| bad)?
                } else {
                    <$type>::try_from(i64::from_le_bytes(bytes)).map_err(|_| bad)?
                };
                Ok(())
            }
        }
    )*};
}
number_field!(u8, u16, u32, u64, i32, i64);

impl Field for bool {
    fn put(&self, tag: u16, out: &mut Vec<u8>) {
        u8::from(*self).put(tag, out);
    }
    fn take(&mut self, tag: u16, bytes: &[u8], depth: u8) -> Result<(), DecodeError> {
        let mut number = 0u64;
        number.take(tag, bytes, depth)?;
        *self = number != 0;
        Ok(())
    }
}

impl Field for String {
    fn put(&self, tag: u16, out: &mut Vec<u8>) {
        put_text(tag, self.as_bytes(), out);
    }
    fn take(&mut self, tag: u16, bytes: &[u8], _: u8) -> Result<(), DecodeError> {
        let bad = |_| DecodeError::BadValue { tag, expected: "UTF-8 text" };
        *self = str::from_utf8(bytes).map_err(bad)?.to_owned();
        Ok(())
    }
}

impl Field for OsString {
    fn put(&self, tag: u16, out: &mut Vec<u8>) {
        put_text(tag, self.as_bytes(), out);
    }
    fn take(&mut self, _: u16, bytes: &[u8], _: u8) -> Result<(), DecodeError> {
        *self = OsString::from_vec(bytes.to_vec());
        Ok(())
    }
}

impl Field for PathBuf {
    fn put(&self, tag: u16, out: &mut Vec<u8>) {
        put_text(tag, self.as_os_str().as_bytes(), out);
    }
    fn take(&mut self, _: u16, bytes: &[u8], _: u8) -> Result<(), DecodeError> {
        *self = OsString::from_vec(bytes.to_vec()).into();
        Ok(())
    }
}

/// Bytes as they are, for output of apps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl Field for Blob {
    fn put(&self, tag: u16, out: &mut Vec<u8>) {
        put_text(tag, &self.0, out);
    }
    fn take(&mut self, _: u16, bytes: &[u8], _: u8) -> Result<(), DecodeError> {
        self.0 = bytes.to_vec();
        Ok(())
    }
}

/// A present value is always written, also when it is its type's default: `Some(0)` is not `None`.
impl<T: Field + Default> Field for Option<T> {
    fn put(&self, tag: u16, out: &mut Vec<u8>) {
        if let Some(value) = self {
            put_always(value, tag, out);
        }
    }
    fn take(&mut self, tag: u16, bytes: &[u8], depth: u8) -> Result<(), DecodeError> {
        self.insert(T::default()).take(tag, bytes, depth)
    }
}

impl<T: Field + Default> Field for Vec<T> {
    fn put(&self, tag: u16, out: &mut Vec<u8>) {
        for value in self {
            put_always(value, tag, out);
        }
    }
    fn take(&mut self, tag: u16, bytes: &[u8], depth: u8) -> Result<(), DecodeError> {
        let mut value = T::default();
        value.take(tag, bytes, depth)?;
        self.push(value);
        Ok(())
    }
}

fn put_text(tag: u16, value: &[u8], out: &mut Vec<u8>) {
    if !value.is_empty() {
        put_bytes(tag, value, out);
    }
}

/// Writes a default value too, as an empty field, which every type reads as its default.
fn put_always<T: Field>(value: &T, tag: u16, out: &mut Vec<u8>) {
    let before = out.len();
    value.put(tag, out);
    if out.len() == before {
        put_bytes(tag, &[], out);
    }
}

/// Defines a message: a struct whose fields carry their tags.
macro_rules! message {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$field_meta:meta])* $tag:literal => pub $field:ident : $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        $vis struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        impl $crate::field::Message for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                let _ = &out;
                $( $crate::field::Field::put(&self.$field, $tag, out); )*
            }
            fn take_field(&mut self, tag: u16, bytes: &[u8], depth: u8) -> Result<(), $crate::DecodeError> {
                let _ = (bytes, depth);
                match tag {
                    $( $tag => $crate::field::Field::take(&mut self.$field, tag, bytes, depth), )*
                    _ => Ok(()),
                }
            }
        }

        impl $crate::field::Field for $name {
            fn put(&self, tag: u16, out: &mut Vec<u8>) {
                let mut bytes = Vec::new();
                $crate::field::Message::encode(self, &mut bytes);
                if !bytes.is_empty() {
                    $crate::field::put_bytes(tag, &bytes, out);
                }
            }
            fn take(&mut self, _: u16, bytes: &[u8], depth: u8) -> Result<(), $crate::DecodeError> {
                *self = $crate::field::Message::decode_nested(bytes, depth + 1)?;
                Ok(())
            }
        }
    };
}
pub(crate) use message;

/// Defines an enum that travels as a number; the first variant is the default and should be 0.
macro_rules! number_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $number:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant = $number, )*
        }

        impl $name {
            /// All values, in the order of their numbers.
            pub const ALL: &[$name] = &[$( $name::$variant, )*];
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ALL[0]
            }
        }

        impl $crate::field::Field for $name {
            fn put(&self, tag: u16, out: &mut Vec<u8>) {
                $crate::field::Field::put(&(*self as u64), tag, out);
            }
            fn take(&mut self, tag: u16, bytes: &[u8], depth: u8) -> Result<(), $crate::DecodeError> {
                let mut value = 0u64;
                $crate::field::Field::take(&mut value, tag, bytes, depth)?;
                *self = match value {
                    $( $number => Self::$variant, )*
                    _ => return Err($crate::DecodeError::UnknownValue { of: stringify!($name), value }),
                };
                Ok(())
            }
        }
    };
}
pub(crate) use number_enum;

/// Defines an enum of messages, each with its number: the content of frames, records and events.
macro_rules! message_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $number:literal => $variant:ident($type:ty), )*
        }
    ) => {
        $(#[$meta])*
        // Messages are few and short-lived; a box for the largest would only be in the way.
        #[allow(clippy::large_enum_variant)]
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant($type), )*
        }

        impl $name {
            /// The message's number on the wire.
            pub fn number(&self) -> u16 {
                match self {
                    $( Self::$variant(_) => $number, )*
                }
            }

            /// Appends the message's fields.
            pub fn put_fields(&self, out: &mut Vec<u8>) {
                match self {
                    $( Self::$variant(message) => $crate::field::Message::encode(message, out), )*
                }
            }

            /// Reads message `number` from its fields; `None` if this version does not know the number.
            pub fn from_fields(number: u16, fields: &[u8], depth: u8) -> Result<Option<Self>, $crate::DecodeError> {
                match number {
                    $( $number => {
                        $crate::field::Message::decode_nested(fields, depth).map(|message| Some(Self::$variant(message)))
                    } )*
                    _ => Ok(None),
                }
            }

            /// Appends the message as a frame that carries the number of a request (0: nobody asked).
            pub fn put_frame(&self, request: u64, out: &mut Vec<u8>) -> Result<(), $crate::DecodeError> {
                $crate::frame::put(self.number(), request, |out| self.put_fields(out), out)
            }

            /// Reads a frame's message; `None` if this version does not know its type.
            pub fn from_frame(frame: &$crate::frame::Frame<'_>) -> Result<Option<Self>, $crate::DecodeError> {
                Self::from_fields(frame.kind, frame.fields, 0)
            }
        }
    };
}
pub(crate) use message_enum;
