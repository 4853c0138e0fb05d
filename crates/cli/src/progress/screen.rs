//! Where progress is seen: in place on a terminal, line by line elsewhere, nowhere for machines.

use api::deployment::{Deployment, DeploymentDetail};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::text;
use crate::output::Output;

/// A place for progress.
pub(super) struct Screen<'a> {
    output: &'a Output,
    lively: Option<Lively>,
    last_event: Option<i64>,
    has_heading: bool,
}

/// Lines that are drawn again in place.
struct Lively {
    all: MultiProgress,
    lines: Vec<ProgressBar>,
}

impl<'a> Screen<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        let lively = output.is_lively().then(Lively::new);
        Screen { output, lively, last_event: None, has_heading: false }
    }

    /// Tells what is new.
    pub(super) fn show(&mut self, detail: &DeploymentDetail, now: Timestamp) {
        if self.output.json {
            return;
        }
        let deployment = &detail.deployment;
        if !self.has_heading {
            self.has_heading = true;
            self.print(&text::heading(deployment));
        }
        for step in text::steps(deployment, &detail.log, self.last_event) {
            self.print(&step);
        }
        self.last_event = detail.log.last().map(|event| event.id).or(self.last_event);
        if let Some(lively) = &mut self.lively {
            lively.draw(deployment, now);
        }
    }

    /// The last words.
    pub(super) fn end(self, text: &str) {
        let output = self.output;
        self.leave();
        if !output.json {
            output.line(text);
        }
    }

    /// Nothing more is drawn here.
    pub(super) fn leave(self) {
        if let Some(lively) = self.lively {
            lively.clear();
        }
    }

    /// A remark beside the progress.
    pub(super) fn remark(&self, text: &str) {
        match &self.lively {
            Some(lively) => lively.print(text),
            None => self.output.say(text),
        }
    }

    fn print(&self, text: &str) {
        match &self.lively {
            Some(lively) => lively.print(text),
            None => self.output.line(text),
        }
    }
}

impl Lively {
    fn new() -> Self {
        Lively { all: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()), lines: Vec::new() }
    }

    fn print(&self, text: &str) {
        let styled = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
        let text = if styled { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() };
        // The terminal is gone: so is the reader.
        let _ = self.all.println(text);
    }

    /// A line for each place, and one for the whole.
    fn draw(&mut self, deployment: &Deployment, now: Timestamp) {
        let mut texts: Vec<String> = deployment.places.iter().map(text::place).collect();
        texts.push(text::phase(deployment, now));
        while self.lines.len() < texts.len() {
            let line = ProgressBar::new_spinner().with_style(
                ProgressStyle::with_template("             {wide_msg}").expect("the template is well-formed"),
            );
            self.lines.push(self.all.add(line));
        }
        for (line, text) in self.lines.iter().zip(texts) {
            line.set_message(text);
            line.tick();
        }
    }

    fn clear(self) {
        for line in self.lines {
            line.finish_and_clear();
        }
    }
}
