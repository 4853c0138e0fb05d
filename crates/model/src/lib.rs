//! What the operator wants and what happens next: ids, units, settings, the deployment state machine.
//!
//! Pure: no IO, no clock, no randomness; they arrive inside events.

pub mod app;
pub mod autoscale;
pub mod export;
pub mod human;
pub mod names;
pub mod settings;
pub mod units;
pub mod watchdog;

pub use names::{
    AppName, ApplicationName, BadName, DeploymentId, EffectId, FindingCode, InstanceId, MeshName,
    ModuleOverride, Place, Slot, TaskId, VariableName, VersionId, VersionLabel,
};
