//! Watching a deployment until what was waited for came.
//!
//! [`text`] says what there is to say, [`Screen`] puts it where it is seen, [`wait`] keeps the two fed.

mod screen;
pub(crate) mod text;
mod wait;

use screen::Screen;
pub(crate) use wait::{Until, wait};
