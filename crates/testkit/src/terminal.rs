//! A terminal with a program in it: what a person at a keyboard would do and see.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::programs;
use crate::wait::wait_for;

/// Longest that a program may take to say something.
const LONG: Duration = Duration::from_secs(60);

/// A pseudo-terminal. Dropped, it is closed as a window is: the program gets SIGHUP.
#[derive(Debug)]
pub struct Terminal {
    keys: File,
    screen: Arc<Mutex<Screen>>,
    child: Child,
}

/// What came so far, without what controls the terminal.
#[derive(Debug, Default)]
struct Screen {
    bytes: Vec<u8>,
    /// Up to where it was looked at.
    seen: usize,
}

impl Terminal {
    /// Runs a program of ours with this terminal as its own.
    ///
    /// # Panics
    /// When there is no terminal to be had, or no program.
    pub fn run(program: &str, arguments: &[&str]) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let slave = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty());
        let slave = File::from(slave.expect("it is ours"));
        let copy = || Stdio::from(slave.try_clone().expect("a file can be duplicated"));
        // it makes the terminal the program's own and becomes it
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(programs::program(program)).args(arguments);
        command.env("TERM", "xterm").env_remove("BELLROCK_ROOT").env("NO_COLOR", "1");
        let child = command.stdin(copy()).stdout(copy()).stderr(copy()).spawn().expect("setsid is there");
        let keys = File::from(master);
        let terminal = Terminal { keys, screen: Arc::default(), child };
        terminal.resize(200, 30);
        terminal.watch();
        terminal
    }

    fn watch(&self) {
        let mut from = self.keys.try_clone().expect("a file can be duplicated");
        let screen = Arc::downgrade(&self.screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // it ends with an error when the program has ended
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                let Some(screen) = screen.upgrade() else { return };
                screen.lock().unwrap_or_else(PoisonError::into_inner).bytes.extend(&bytes[..count]);
            }
        });
    }

    /// Presses keys.
    ///
    /// # Panics
    /// When the terminal is closed.
    pub fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal is open");
    }

    /// Gives it another size.
    ///
    /// # Panics
    /// When the terminal is closed.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.keys, size).expect("the terminal is open");
    }

    /// Waits for a text behind all that was waited for before.
    ///
    /// # Panics
    /// When it does not come within a minute; tells what came.
    #[track_caller]
    pub fn shows(&self, text: &str) -> impl Future<Output = ()> {
        let what = format!("{text:?} is shown");
        let seen = wait_for(what, LONG, async || {
            let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
            screen.find(text)
        });
        let told = Untold(self);
        async move {
            let told = told;
            seen.await;
            std::mem::forget(told);
        }
    }

    /// All that came.
    pub fn text(&self) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        plain(&screen.bytes)
    }

    /// The program's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the program has ended.
    ///
    /// # Panics
    /// When it does not within a minute.
    pub async fn ends(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait_for("the program ends", LONG, async || child.try_wait().expect("it is our child")).await
    }
}

impl Screen {
    fn find(&mut self, text: &str) -> Option<()> {
        let shown = plain(&self.bytes);
        // what was shown can change where a sequence of control characters was cut
        let is_boundary = |at: &usize| shown.is_char_boundary(*at);
        let from = (0..=self.seen.min(shown.len())).rev().find(is_boundary).unwrap_or_default();
        let at = shown[from..].find(text)?;
        self.seen = from + at + text.len();
        Some(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tells what came when a text did not.
struct Untold<'a>(&'a Terminal);

impl Drop for Untold<'_> {
    fn drop(&mut self) {
        eprintln!("--- terminal ---\n{}", self.0.text());
    }
}

/// The text without sequences that control a terminal (ECMA-48, 5.4).
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' if chars.next_if_eq(&'[').is_some() => {
                while chars.next().is_some_and(|c| !('\x40'..='\x7e').contains(&c)) {}
            }
            '\x1b' => _ = chars.next(),
            '\r' | '\x07' => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_left_out() {
        assert_eq!(plain(b"a\x1b[?2004hb\x1b[1;31mc\x1b[0m\r\n\x1b=d\xc3\xa5"), "abc\ndå");
    }

    #[test]
    fn what_was_seen_is_not_found_again() {
        let mut screen = Screen { bytes: b"one two one".to_vec(), seen: 0 };
        assert_eq!(screen.find("one"), Some(()));
        assert_eq!(screen.find("one"), Some(()));
        assert_eq!(screen.find("one"), None);
    }
}
