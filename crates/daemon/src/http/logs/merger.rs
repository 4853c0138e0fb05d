//! Lines of several instances in the order of time.

use ::api::log::Line;

use super::selection::LogFile;
use super::{Journey, Start};

/// Readers of several logs.
#[derive(Default)]
pub(super) struct Merger {
    journeys: Vec<(LogFile, Journey)>,
}

impl Merger {
    /// Reads these logs: those that are new from `start` on; one that is not among them any more, to its end.
    pub(super) fn read(&mut self, files: Vec<LogFile>, start: Start) {
        self.journeys.retain_mut(|(file, journey)| files.contains(file) || journey.peek().is_some());
        for file in files {
            if !self.journeys.iter().any(|(known, _)| *known == file) {
                let journey = Journey::begin(file.path.clone(), start);
                self.journeys.push((file, journey));
            }
        }
    }

    /// The oldest line that there is.
    pub(super) fn next(&mut self) -> Option<Line> {
        let times = self.journeys.iter_mut().enumerate().filter_map(|(at, (_, it))| Some((it.peek()?, at)));
        let (_, at) = times.min()?;
        let (file, journey) = &mut self.journeys[at];
        journey.next().map(|written| line(file, written.text))
    }

    /// Last lines that have no newline.
    pub(super) fn finish(&mut self) -> Vec<Line> {
        self.journeys
            .iter_mut()
            .filter_map(|(file, journey)| Some(line(file, journey.finish()?.text)))
            .collect()
    }
}

fn line(file: &LogFile, text: String) -> Line {
    Line { place: file.place.0, instance: file.instance.0, text }
}
