//! Whose logs are wanted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ::api::log::Stream;
use ::api::query::LogsQuery;
use model::app::App;
use model::{AppName, InstanceId, Place};

use crate::control::Control;
use crate::http::api::Api;

/// One instance's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogFile {
    /// The place.
    pub(super) place: Place,
    /// The instance.
    pub(super) instance: InstanceId,
    /// The file that is written now.
    pub(super) path: PathBuf,
}

/// Which instances' logs are wanted; the answer changes as instances come and go.
pub(super) struct Selection {
    control: Arc<Control>,
    app: AppName,
    place: Option<Place>,
    instance: Option<InstanceId>,
    stream: Stream,
}

impl Selection {
    /// What a query asks for.
    pub(super) fn new(api: &Api, app: &AppName, query: &LogsQuery) -> Self {
        Selection {
            control: api.control.clone(),
            app: app.clone(),
            place: query.place.map(Place),
            instance: query.instance.map(InstanceId),
            stream: query.stream,
        }
    }

    /// The logs that there are now.
    pub(super) fn files(&self) -> Vec<LogFile> {
        let lying = self.lying();
        let app = self.control.app(&self.app).ok();
        let named = |(place, instance): &(Place, InstanceId)| {
            self.place.is_none_or(|wanted| wanted == *place)
                && self.instance.is_none_or(|wanted| wanted == *instance)
        };
        let lying: Vec<(Place, InstanceId)> = lying.into_iter().filter(named).collect();
        let chosen = if self.instance.is_some() { lying } else { choose(app.as_deref(), lying) };
        chosen.into_iter().map(|(place, instance)| self.file(place, instance)).collect()
    }

    fn file(&self, place: Place, instance: InstanceId) -> LogFile {
        let path = self.control.paths.instance_log(&self.app, place, instance, self.stream.name());
        LogFile { place, instance, path }
    }

    /// Instances whose log lies in the app's folder.
    fn lying(&self) -> Vec<(Place, InstanceId)> {
        let entries = fs_err::read_dir(self.control.paths.logs(&self.app)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| parse(&name, &self.app, self.stream)).collect()
    }
}

/// Those that live; where none does, the last one of each place.
fn choose(app: Option<&App>, lying: Vec<(Place, InstanceId)>) -> Vec<(Place, InstanceId)> {
    let lives = |instance: &InstanceId| {
        app.and_then(|app| app.instances.get(instance)).is_some_and(|instance| !instance.is_gone())
    };
    let living: BTreeMap<InstanceId, Place> = lying
        .iter()
        .filter(|(_, instance)| lives(instance))
        .map(|(place, instance)| (*instance, *place))
        .collect();
    if !living.is_empty() {
        return living.into_iter().map(|(instance, place)| (place, instance)).collect();
    }
    let mut last: BTreeMap<Place, InstanceId> = BTreeMap::new();
    for (place, instance) in lying {
        let newest = last.entry(place).or_insert(instance);
        *newest = instance.max(*newest);
    }
    last.into_iter().collect()
}

/// Place and instance of a name like `beacon-1-i7-stdout.log`; rotated files, indexes and links are none.
fn parse(name: &str, app: &AppName, stream: Stream) -> Option<(Place, InstanceId)> {
    let rest = name.strip_prefix(app.as_str())?.strip_prefix('-')?;
    let rest = rest.strip_suffix(".log")?.strip_suffix(stream.name())?.strip_suffix('-')?;
    let (place, instance) = rest.split_once("-i")?;
    Some((Place(place.parse().ok()?), InstanceId(instance.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_logs_of_instances_are_taken() {
        let app: AppName = "my-app".parse().unwrap();
        let check = |name| parse(name, &app, Stream::Stdout).map(|(place, instance)| (place.0, instance.0));
        assert_eq!(check("my-app-2-i17-stdout.log"), Some((2, 17)));
        for other in [
            "my-app-2-stdout.log",
            "my-app-2-i17-stdout.log.1",
            "my-app-2-i17-stdout.log.idx",
            "my-app-2-i17-stderr.log",
            "my-app-two-2-i17-stdout.log",
            "commands",
        ] {
            assert_eq!(check(other), None, "{other}");
        }
    }

    #[test]
    fn without_living_ones_the_last_of_each_place() {
        let lying = [(1, 1), (1, 4), (2, 2), (1, 3)].map(|(place, id)| (Place(place), InstanceId(id)));
        assert_eq!(choose(None, lying.to_vec()), [(Place(1), InstanceId(4)), (Place(2), InstanceId(2))]);
    }
}
