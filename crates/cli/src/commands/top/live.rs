//! The picture that follows the node.

use api::observation::{NodeTop, TopBy};
use ratatui::Frame;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::Stylize;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Row, Table};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::sleep;

use super::{AGAIN, Asked, head, heading, rows};
use crate::exit::Exit;
use crate::failure::Failure;

/// Widths of the columns, but the last two.
const WIDTHS: [u16; 4] = [14, 8, 9, 8];

/// Draws until somebody leaves.
pub(super) async fn run(mut asked: Asked<'_>) -> Result<Exit, Failure> {
    // before the terminal is taken, so that a refusal is told as always
    let first = asked.ask().await?;
    let mut terminal = ratatui::try_init()?;
    let mut picture = Picture { top: first, trouble: None };
    let ended = follow(&mut asked, &mut picture, &mut terminal).await;
    ratatui::restore();
    ended
}

async fn follow(
    asked: &mut Asked<'_>,
    picture: &mut Picture,
    terminal: &mut ratatui::DefaultTerminal,
) -> Result<Exit, Failure> {
    let mut keys = keys();
    loop {
        terminal.draw(|frame| picture.draw(frame, asked))?;
        tokio::select! {
            key = keys.recv() => match key.as_ref().map_or(Some(Wish::Leave), wish) {
                Some(Wish::Leave) => return Ok(Exit::Ok),
                Some(Wish::By(by)) => asked.query.by = by,
                None => {}
            },
            told = asked.ask() => match told {
                Ok(top) => *picture = Picture { top, trouble: None },
                Err(failure) => {
                    picture.trouble = Some(failure.to_string());
                    terminal.draw(|frame| picture.draw(frame, asked))?;
                    sleep(AGAIN).await;
                }
            },
        }
    }
}

/// Keys are waited for in a thread of their own, which ends with the process.
fn keys() -> UnboundedReceiver<Event> {
    let (tell, keys) = unbounded_channel();
    std::thread::spawn(move || {
        while ratatui::crossterm::event::read().is_ok_and(|event| tell.send(event).is_ok()) {}
    });
    keys
}

#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Leave,
    By(TopBy),
}

fn wish(event: &Event) -> Option<Wish> {
    let Event::Key(KeyEvent { code, modifiers, .. }) = event else { return None };
    Some(match (code, modifiers.contains(KeyModifiers::CONTROL)) {
        (KeyCode::Char('c'), true) | (KeyCode::Esc, _) => Wish::Leave,
        (KeyCode::Char('r'), false) => Wish::By(TopBy::Reductions),
        (KeyCode::Char('m'), false) => Wish::By(TopBy::Memory),
        (KeyCode::Char('q'), false) => Wish::By(TopBy::Mailbox),
        _ => return None,
    })
}

struct Picture {
    top: NodeTop,
    /// Why it is not the newest.
    trouble: Option<String>,
}

impl Picture {
    fn draw(&self, frame: &mut Frame<'_>, asked: &Asked<'_>) {
        let lines: Vec<Line<'_>> = head(&self.top, &asked.target).into_iter().map(Line::from).collect();
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let parts =
            [Constraint::Length(height), Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)];
        let [above, _, middle, below] = Layout::vertical(parts).areas(frame.area());
        frame.render_widget(Paragraph::new(lines), above);
        frame.render_widget(self.table(), middle);
        let foot = match &self.trouble {
            Some(trouble) => Line::from(trouble.as_str()).red(),
            None => Line::from("r work   m memory   q mailbox   Esc leaves").dim(),
        };
        frame.render_widget(foot, below);
    }

    fn table(&self) -> Table<'static> {
        let widths =
            WIDTHS.map(Constraint::Length).into_iter().chain([Constraint::Fill(1), Constraint::Fill(1)]);
        let rows = rows(&self.top).into_iter().map(|cells| {
            Row::new(cells.into_iter().zip(0..).map(|(cell, column)| {
                let width = WIDTHS.get(column).copied().unwrap_or_default();
                cell.plain(width.into())
            }))
        });
        Table::new(rows, widths).header(Row::new(heading(self.top.by)).dim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_foot_says() {
        let key = |code, modifiers| wish(&Event::Key(KeyEvent::new(code, modifiers)));
        assert_eq!(key(KeyCode::Char('m'), KeyModifiers::NONE), Some(Wish::By(TopBy::Memory)));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Wish::Leave));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::NONE), None);
        assert_eq!(key(KeyCode::Esc, KeyModifiers::NONE), Some(Wish::Leave));
    }
}
