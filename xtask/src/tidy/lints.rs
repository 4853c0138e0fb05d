//! Every crate takes the workspace's lints: cargo does not insist.

use super::{Crate, Problem};

pub(super) fn check(each: &Crate) -> Option<Problem> {
    let lints = each.manifest.get("lints").and_then(|lints| lints.get("workspace"));
    let inherits = lints.and_then(toml::Value::as_bool) == Some(true);
    (!inherits).then(|| Problem::new(&each.manifest_path, "needs [lints] workspace = true"))
}

#[cfg(test)]
mod tests {
    use super::super::crate_of;
    use super::*;

    #[test]
    fn asks_for_the_workspaces_lints() {
        assert_eq!(check(&crate_of("wire", "[lints]\nworkspace = true")), None);
        assert!(check(&crate_of("wire", "[package]\nname = \"wire\"")).is_some());
        assert!(check(&crate_of("wire", "[lints.rust]\nunsafe_code = \"deny\"")).is_some());
    }
}
