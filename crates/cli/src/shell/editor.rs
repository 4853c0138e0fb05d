//! Lines are edited in a thread: rustyline waits for keys and cannot be told to stop. The thread ends with the process.

use std::io::{BufRead, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Context, Event, EventContext, EventHandler,
    ExternalPrinter, Helper, KeyEvent, Movement, RepeatCount,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long a completion is waited for before the key does nothing.
const COMPLETION: Duration = Duration::from_secs(2);

/// Names that may follow.
type Names = Vec<String>;

/// What came of it.
pub(super) enum Edited {
    /// A line was typed.
    Line(String),
    /// Ctrl-C on an empty line.
    Interrupt,
    /// Ctrl-D on an empty line, or the input has ended.
    End,
    /// Tab: what may follow?
    Question { number: u64, before: String },
}

/// The thread, from outside.
pub(super) struct Editor {
    prompts: Sender<String>,
    edited: UnboundedReceiver<Edited>,
    answers: Sender<(u64, String, Names)>,
    /// Prints above a line that is being edited.
    printer: Option<Box<dyn ExternalPrinter + Send>>,
}

impl Editor {
    /// Starts the thread. Without a terminal lines are read as they are.
    pub(super) fn start(is_terminal: bool) -> std::io::Result<Self> {
        let (prompts, asked) = channel();
        let (tell, edited) = unbounded_channel();
        let (answers, answered) = channel();
        if !is_terminal {
            std::thread::Builder::new().name("lines".into()).spawn(move || read_lines(&asked, &tell))?;
            return Ok(Editor { prompts, edited, answers, printer: None });
        }
        let questions =
            Questions { tell: tell.clone(), answered: Mutex::new(answered), number: Mutex::new(0) };
        let mut editor = editor(questions).map_err(std::io::Error::other)?;
        let printer = editor.create_external_printer().map_err(std::io::Error::other)?;
        std::thread::Builder::new()
            .name("lines".into())
            .spawn(move || edit_lines(&mut editor, &asked, &tell))?;
        Ok(Editor { prompts, edited, answers, printer: Some(Box::new(printer)) })
    }

    /// Has a line edited.
    pub(super) fn read(&self, prompt: String) {
        // a thread that has ended has said so
        let _ = self.prompts.send(prompt);
    }

    /// What was done next.
    pub(super) async fn next(&mut self) -> Edited {
        self.edited.recv().await.unwrap_or(Edited::End)
    }

    /// What may follow, as was asked.
    pub(super) fn completed(&self, number: u64, insert: String, names: Names) {
        let _ = self.answers.send((number, insert, names));
    }

    /// Shows what was printed; above the line while one is edited.
    pub(super) fn print(&mut self, text: &str, is_editing: bool) -> std::io::Result<()> {
        match &mut self.printer {
            Some(printer) if is_editing => printer.print(text.to_owned()).map_err(std::io::Error::other),
            _ => {
                let mut out = std::io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()
            }
        }
    }
}

fn read_lines(asked: &Receiver<String>, tell: &UnboundedSender<Edited>) {
    let mut lines = std::io::stdin().lock().lines();
    while asked.recv().is_ok() {
        let Some(Ok(line)) = lines.next() else { break };
        if tell.send(Edited::Line(line)).is_err() {
            return;
        }
    }
    let _ = tell.send(Edited::End);
}

type Lines = rustyline::Editor<Questions, MemHistory>;

fn editor(questions: Questions) -> rustyline::Result<Lines> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    let history = MemHistory::with_config(&config);
    let mut editor = Lines::with_history(config, history)?;
    editor.set_helper(Some(questions));
    editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(CtrlC)));
    Ok(editor)
}

fn edit_lines(editor: &mut Lines, asked: &Receiver<String>, tell: &UnboundedSender<Edited>) {
    while let Ok(prompt) = asked.recv() {
        // the editor knows prompts of one line
        let (above, prompt) = prompt.rsplit_once('\n').map_or(("", &*prompt), |(above, last)| (above, last));
        if !above.is_empty() {
            println!("{above}");
        }
        let edited = match editor.readline(prompt) {
            Ok(line) => Edited::Line(line),
            Err(ReadlineError::Interrupted) => Edited::Interrupt,
            Err(_) => Edited::End,
        };
        let is_end = matches!(edited, Edited::End);
        if tell.send(edited).is_err() || is_end {
            return;
        }
    }
}

/// Ctrl-C removes what was typed; where nothing was, it is told.
struct CtrlC;

impl ConditionalEventHandler for CtrlC {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        Some(match context.line().is_empty() {
            true => Cmd::Interrupt,
            false => Cmd::Kill(Movement::WholeBuffer),
        })
    }
}

/// Asks the node what may follow.
struct Questions {
    tell: UnboundedSender<Edited>,
    answered: Mutex<Receiver<(u64, String, Names)>>,
    number: Mutex<u64>,
}

impl Questions {
    /// None when there was no answer in time.
    fn ask(&self, before: &str) -> Option<(String, Names)> {
        let number = {
            let mut number = self.number.lock().ok()?;
            *number += 1;
            *number
        };
        self.tell.send(Edited::Question { number, before: before.to_owned() }).ok()?;
        let answered = self.answered.lock().ok()?;
        loop {
            match answered.recv_timeout(COMPLETION).ok()? {
                (of, insert, names) if of == number => return Some((insert, names)),
                // one that came too late
                _ => {}
            }
        }
    }
}

impl Completer for Questions {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (insert, names) = self.ask(&line[..at]).unwrap_or_default();
        if !insert.is_empty() {
            return Ok((at, vec![Pair { display: insert.clone(), replacement: insert }]));
        }
        let shown = names.into_iter().map(|name| Pair { display: name, replacement: String::new() });
        Ok((at, shown.collect()))
    }
}

impl Hinter for Questions {
    type Hint = String;
}

impl Highlighter for Questions {}

impl Validator for Questions {}

impl Helper for Questions {}
