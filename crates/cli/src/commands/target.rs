//! An app, or one of its places: `shop`, `shop/2`.

use std::str::FromStr;

use api::AppName;

/// What a command about a running node is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The app.
    pub(crate) app: AppName,
    /// The place; without it any instance will do.
    pub(crate) place: Option<u16>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (app, place) = match text.split_once('/') {
            None => (text, None),
            Some((app, place)) => {
                let number = place.parse().map_err(|_| format!("{place:?} is no place: they are 1, 2 …"))?;
                (app, Some(number))
            }
        };
        Ok(Target { app: app.parse().map_err(|error: api::BadName| error.to_string())?, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_stands_behind_its_app() {
        let target = |text: &str| text.parse::<Target>().map(|target| (target.app.to_string(), target.place));
        assert_eq!(target("shop"), Ok(("shop".to_owned(), None)));
        assert_eq!(target("shop/2"), Ok(("shop".to_owned(), Some(2))));
        for wrong in ["shop/", "shop/two", "/1", "Shop!", "shop/1/2"] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }
}
