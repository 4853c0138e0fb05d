//! What the API needs of the control plane and the lead has yet to fill in; goes away then.

use api::doctor::Check;
use model::AppName;
use model::app::Origin;
use model::settings::AppSettings;

use crate::control::{Accepted, Arrival, Control, WishError};

impl Control {
    pub async fn take_package(
        &self,
        _: Option<&AppName>,
        arrival: Arrival,
        _: Origin,
    ) -> Result<(AppName, Accepted), WishError> {
        fs_err::remove_file(&arrival.path).map_err(|error| WishError::Host(error.to_string()))?;
        Err(WishError::Package("packages are not taken yet".into()))
    }

    pub async fn doctor(&self) -> Vec<Check> {
        Vec::new()
    }

    pub fn load_app_settings(&self, _: &AppName, _: Option<&str>) -> Result<AppSettings, WishError> {
        Ok(AppSettings::default())
    }
}
