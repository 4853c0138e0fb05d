//! Layers become settings.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::app::AppSettings;
use super::conflicts;
use super::layer::{AppLayer, Said};
use super::problem::Problems;
use super::source::Location;

/// Lays the layers over each other, later ones winning key by key, fills in the defaults and checks that the
/// keys fit together.
pub fn merge(layers: &[AppLayer]) -> Result<AppSettings, Problems> {
    let mut problems = Problems::default();
    let settings = merged(layers, &mut problems);
    problems.or(settings, layers.iter().map(AppLayer::source))
}

/// [`merge`] that goes on when there are problems.
pub(super) fn merged(layers: &[AppLayer], problems: &mut Problems) -> AppSettings {
    let stack = Stack(layers);
    let said = layers.iter().flat_map(|layer| &layer.reading.said).map(|(key, said)| (key.as_str(), said));
    let settings: AppSettings = assemble(said, problems);
    problems.extend(conflicts::find(&settings, &stack));
    settings
}

/// Puts values where their paths lead; all else takes its default.
pub(super) fn assemble<'a, T: DeserializeOwned + Default>(
    said: impl IntoIterator<Item = (&'a str, &'a Said)>,
    problems: &mut Problems,
) -> T {
    let mut tree = Map::new();
    let mut last = None;
    for (path, said) in said {
        put(&mut tree, path, said.value.clone());
        last = Some(said);
    }
    serde_json::from_value(Json::Object(tree)).unwrap_or_else(|error| {
        // A test holds every kind of key against its field, so this tells of a mistake of ours.
        let remedy = "this is a mistake in Bellrock: please report it";
        problems.extend(last.map(|said| said.at.clone().problem(format!("cannot be used: {error}"), remedy)));
        T::default()
    })
}

fn put(tree: &mut Map<String, Json>, path: &str, value: Json) {
    match path.split_once('.') {
        None => {
            tree.insert(path.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = tree.entry(section).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// The layers of one app, lowest first.
pub(super) struct Stack<'a>(pub(super) &'a [AppLayer]);

impl Stack<'_> {
    /// The highest layer that says the key; 0 = none, 1 = the lowest.
    pub(super) fn height(&self, key: &str) -> usize {
        self.0.iter().rposition(|layer| layer.said(key).is_some()).map_or(0, |nth| nth + 1)
    }

    /// Some layer holds the key, or something in it, with a value that could not be read.
    pub(super) fn is_faulty(&self, key: &str) -> bool {
        self.0.iter().any(|layer| layer.is_faulty(key))
    }

    /// Some layer says it.
    pub(super) fn says(&self, key: &str) -> bool {
        self.height(key) > 0
    }

    /// Where the key is said, or else the topmost table.
    pub(super) fn locate(&self, key: &str) -> Location {
        let saying = self.0.iter().rfind(|layer| layer.said(key).is_some());
        match saying.or(self.0.last()) {
            Some(layer) => layer.locate(key),
            None => Location { source: "defaults".to_owned(), line: None, column: None, key: key.to_owned() },
        }
    }
}
