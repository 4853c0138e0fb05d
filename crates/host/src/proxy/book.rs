//! What every app wants to be served for it, as one table whose revision rises for ever. Pure.

use std::collections::BTreeMap;

use model::{AppName, EffectId};
use wire::proxy::{Front, Route, Table};

/// Bits of a revision that count tables within a daemon's life; those above are its epoch.
const EPOCH: u32 = 32;

/// The last route that each app wanted.
#[derive(Debug)]
pub struct RouteBook {
    epoch: u64,
    revision: u64,
    front: Front,
    /// `None` until the routes of all apps are known: an earlier table would take the others' away.
    pages: Option<BTreeMap<AppName, Page>>,
}

/// What is known of an app.
#[derive(Debug, Clone)]
pub struct Page {
    /// Apps that came earlier get what several want: see [`RouteBook::table`].
    pub place: u64,
    /// The effect that wanted it, or a later one that no longer matters.
    pub effect: EffectId,
    /// What is wanted; `None`: nothing.
    pub route: Option<Route>,
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The table of this revision, and all later ones, hold it.
    In(u64),
    /// The app has wanted something else since.
    Superseded,
}

impl RouteBook {
    /// A book without pages, of a daemon with this epoch.
    pub fn new(epoch: u64, front: Front) -> Self {
        RouteBook { epoch, revision: epoch << EPOCH, front, pages: None }
    }

    /// Takes what all apps wanted when the daemon started; from then on there is a table.
    pub fn open(&mut self, pages: BTreeMap<AppName, Page>) {
        self.pages = Some(pages);
        self.revision += 1;
    }

    /// Takes what an app wants now.
    ///
    /// # Panics
    /// Before [`Self::open`]: a route is wanted by an effect, and none is performed before.
    pub fn put(&mut self, app: &AppName, page: Page) -> Put {
        let pages = self.pages.as_mut().expect("the book is opened before any effect is performed");
        let before = pages.get(app);
        if before.is_some_and(|before| before.effect > page.effect) {
            return Put::Superseded;
        }
        let changed = before.and_then(|before| before.route.as_ref()) != page.route.as_ref();
        pages.insert(app.clone(), page);
        self.revision += u64::from(changed);
        Put::In(self.revision)
    }

    /// The proxy serves by this revision. A higher one than ours comes from a journal that was lost: we go on above it,
    /// or nothing of ours would be taken.
    pub fn rise_above(&mut self, served: u64) {
        if served > self.revision {
            self.revision = served + 1;
        }
    }

    /// Revision of the table.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The whole table, once there is one. Of equal routes the proxy takes the first: that of the app that came first.
    pub fn table(&self) -> Option<Table> {
        let mut pages: Vec<&Page> = self.pages.as_ref()?.values().collect();
        pages.sort_by_key(|page| page.place);
        Some(Table {
            revision: self.revision,
            epoch: self.epoch,
            front: self.front.clone(),
            routes: pages.into_iter().filter_map(|page| page.route.clone()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::proxy::{Backend, BackendMode};

    fn app(name: &str) -> AppName {
        name.parse().unwrap()
    }

    fn page(place: u64, effect: u64, instances: &[u64]) -> Page {
        let backends = instances.iter().map(|it| Backend { instance: *it, ..Backend::default() }).collect();
        let route = Route { app: format!("app-{place}"), backends, ..Route::default() };
        Page { place, effect: EffectId(effect), route: Some(route) }
    }

    fn nothing(place: u64, effect: u64) -> Page {
        Page { route: None, ..page(place, effect, &[]) }
    }

    fn opened(epoch: u64, pages: &[(&str, Page)]) -> RouteBook {
        let mut book = RouteBook::new(epoch, Front::default());
        book.open(pages.iter().map(|(name, page)| (app(name), page.clone())).collect());
        book
    }

    /// Apps of the table with the numbers of their instances.
    fn served(book: &RouteBook) -> Vec<(String, Vec<u64>)> {
        let routes = book.table().unwrap().routes.into_iter();
        routes.map(|route| (route.app, route.backends.iter().map(|it| it.instance).collect())).collect()
    }

    #[test]
    fn there_is_no_table_until_all_apps_are_known() {
        let mut book = RouteBook::new(7, Front { max_connections: 9, ..Front::default() });
        assert_eq!(book.table(), None);
        book.open(BTreeMap::new());
        let table = book.table().unwrap();
        assert_eq!((table.revision, table.epoch, table.front.max_connections), ((7 << 32) + 1, 7, 9));
    }

    #[test]
    fn the_first_table_has_every_app_in_the_order_they_came() {
        let book = opened(1, &[("b", page(1, 0, &[1])), ("a", page(2, 0, &[5])), ("c", nothing(3, 0))]);
        assert_eq!(served(&book), [("app-1".into(), vec![1]), ("app-2".into(), vec![5])]);
    }

    #[test]
    fn every_change_has_a_higher_revision_and_no_change_has_none() {
        let mut book = opened(3, &[("a", page(1, 4, &[1]))]);
        let first = book.revision();
        assert_eq!(book.put(&app("a"), page(1, 5, &[1])), Put::In(first), "nothing changed");
        assert_eq!(book.put(&app("a"), page(1, 6, &[1, 2])), Put::In(first + 1));
        assert_eq!(book.put(&app("b"), page(2, 1, &[1])), Put::In(first + 2), "effects count per app");
        assert_eq!(book.put(&app("a"), nothing(1, 7)), Put::In(first + 3));
        assert_eq!(served(&book), [("app-2".into(), vec![1])]);
        let next_daemon = RouteBook::new(4, Front::default());
        assert!(next_daemon.revision() > book.revision(), "however many the last one made");
    }

    #[test]
    fn an_earlier_wish_never_replaces_a_later_one() {
        let mut book = opened(1, &[("a", page(1, 9, &[9]))]);
        assert_eq!(book.put(&app("a"), page(1, 8, &[8])), Put::Superseded);
        assert!(matches!(book.put(&app("a"), page(1, 9, &[10])), Put::In(_)), "the same effect again");
        assert_eq!(served(&book), [("app-1".into(), vec![10])]);
    }

    #[test]
    fn a_lost_journal_does_not_end_all_changes() {
        let mut book = opened(1, &[("a", page(1, 0, &[1]))]);
        let ours = book.revision();
        book.rise_above(ours);
        assert_eq!(book.revision(), ours, "our own table is taken again as it is");
        book.rise_above((80 << 32) + 5);
        assert_eq!(book.table().unwrap().revision, (80 << 32) + 6);
    }

    #[test]
    fn a_different_mode_is_a_change() {
        let mut book = opened(1, &[("a", page(1, 1, &[1]))]);
        let mut draining = page(1, 2, &[1]);
        draining.route.as_mut().unwrap().backends[0].mode = BackendMode::Draining;
        let first = book.revision();
        assert_eq!(book.put(&app("a"), draining), Put::In(first + 1));
    }
}
