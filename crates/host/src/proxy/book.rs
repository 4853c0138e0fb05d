//! What every app wants to be served for it, as one table whose revision rises for ever. Pure.

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
    /// In the order in which the apps were registered; `None` until all are known, for an earlier table would take the
    /// others' routes away.
    pages: Option<Vec<Page>>,
}

/// What an app wants.
#[derive(Debug, Clone)]
pub struct Page {
    /// The app.
    pub app: AppName,
    /// The effect that wanted it; `None`: nothing was wanted yet.
    pub effect: Option<EffectId>,
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

    /// Takes what all apps wanted when the daemon started, in the order in which they were registered; from then on
    /// there is a table.
    pub fn open(&mut self, pages: Vec<Page>) {
        self.pages = Some(pages);
        self.revision += 1;
    }

    /// An app was registered: unless it is known, it comes behind all others.
    pub fn register(&mut self, app: &AppName) {
        let Some(pages) = self.pages.as_mut().filter(|pages| pages.iter().all(|page| page.app != *app))
        else {
            return;
        };
        pages.push(Page { app: app.clone(), effect: None, route: None });
    }

    /// Takes what an app wants now; one that is not known yet comes behind all others.
    ///
    /// # Panics
    /// Before [`Self::open`]: a route is wanted by an effect, and none is performed before.
    pub fn put(&mut self, page: Page) -> Put {
        let pages = self.pages.as_mut().expect("the book is opened before any effect is performed");
        let changed = match pages.iter_mut().find(|it| it.app == page.app) {
            Some(before) if before.effect > page.effect => return Put::Superseded,
            Some(before) => std::mem::replace(before, page.clone()).route != page.route,
            None => {
                pages.push(page.clone());
                page.route.is_some()
            }
        };
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

    /// The whole table, once there is one. Of equal routes the proxy takes the first: that of the app that was
    /// registered first.
    pub fn table(&self) -> Option<Table> {
        let pages = self.pages.as_ref()?;
        Some(Table {
            revision: self.revision,
            epoch: self.epoch,
            front: self.front.clone(),
            routes: pages.iter().filter_map(|page| page.route.clone()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::proxy::{Backend, BackendMode};

    fn page(app: &str, effect: u64, instances: &[u64]) -> Page {
        let backends = instances.iter().map(|it| Backend { instance: *it, ..Backend::default() }).collect();
        let route = Route { app: app.into(), backends, ..Route::default() };
        Page { app: app.parse().unwrap(), effect: Some(EffectId(effect)), route: Some(route) }
    }

    fn nothing(app: &str, effect: u64) -> Page {
        Page { route: None, ..page(app, effect, &[]) }
    }

    fn opened(epoch: u64, pages: &[Page]) -> RouteBook {
        let mut book = RouteBook::new(epoch, Front::default());
        book.open(pages.to_vec());
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
        book.open(Vec::new());
        let table = book.table().unwrap();
        assert_eq!((table.revision, table.epoch, table.front.max_connections), ((7 << 32) + 1, 7, 9));
    }

    #[test]
    fn apps_keep_the_order_in_which_they_were_registered() {
        let mut book = opened(1, &[page("b", 0, &[1]), nothing("c", 0), page("a", 0, &[5])]);
        assert_eq!(served(&book), [("b".into(), vec![1]), ("a".into(), vec![5])], "the first table has all");
        book.register(&"late".parse().unwrap());
        book.put(page("later", 1, &[9]));
        book.put(page("late", 1, &[3]));
        book.put(page("c", 1, &[7]));
        let order: Vec<String> = served(&book).into_iter().map(|(app, _)| app).collect();
        assert_eq!(order, ["b", "c", "a", "late", "later"]);
    }

    #[test]
    fn every_change_has_a_higher_revision_and_no_change_has_none() {
        let mut book = opened(3, &[page("a", 4, &[1])]);
        let first = book.revision();
        assert_eq!(book.put(page("a", 5, &[1])), Put::In(first), "nothing changed");
        assert_eq!(book.put(page("a", 6, &[1, 2])), Put::In(first + 1));
        assert_eq!(book.put(page("b", 1, &[1])), Put::In(first + 2), "effects count per app");
        assert_eq!(book.put(nothing("a", 7)), Put::In(first + 3));
        assert_eq!(book.put(nothing("c", 1)), Put::In(first + 3), "an app without a route changes nothing");
        assert_eq!(served(&book), [("b".into(), vec![1])]);
        let next_daemon = RouteBook::new(4, Front::default());
        assert!(next_daemon.revision() > book.revision(), "however many the last one made");
    }

    #[test]
    fn an_earlier_wish_never_replaces_a_later_one() {
        let mut book = opened(1, &[page("a", 9, &[9])]);
        assert_eq!(book.put(page("a", 8, &[8])), Put::Superseded);
        assert!(matches!(book.put(page("a", 9, &[10])), Put::In(_)), "the same effect again");
        assert_eq!(served(&book), [("a".into(), vec![10])]);
    }

    #[test]
    fn a_lost_journal_does_not_end_all_changes() {
        let mut book = opened(1, &[page("a", 0, &[1])]);
        let ours = book.revision();
        book.rise_above(ours);
        assert_eq!(book.revision(), ours, "our own table is taken again as it is");
        book.rise_above((80 << 32) + 5);
        assert_eq!(book.table().unwrap().revision, (80 << 32) + 6);
    }

    #[test]
    fn another_mode_is_a_change() {
        let mut book = opened(1, &[page("a", 1, &[1])]);
        let mut draining = page("a", 2, &[1]);
        draining.route.as_mut().unwrap().backends[0].mode = BackendMode::Draining;
        let first = book.revision();
        assert_eq!(book.put(draining), Put::In(first + 1));
    }
}
