//! The BEAM's own formats as data: Erlang terms as external terms and as text, `.app`, `.rel`, `.appup`, `relup`,
//! `sys.config`, `.beam`.
//!
//! Pure: bytes in, data out. Every reader is total (no input makes it panic) and bounded (depth, size and number
//! of terms have limits), because what it reads comes out of packages that somebody else made.

pub mod app;
pub mod appup;
pub mod code;
pub mod etf;
pub mod instruction;
pub mod module;
pub mod print;
pub mod rel;
pub mod relup;
pub mod sys_config;
pub mod term;
pub mod text;

pub use term::Term;
