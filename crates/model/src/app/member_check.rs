//! Asking the operator's check of members: of each that was brought up, and after one has left.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::App;
use super::deployment::{Deployment, Lane, Phase};
use super::effect::{CommandLine, Effect, Run, RunKind};
use super::event::Outcome;
use super::instance::Instance;
use super::note::{Level, Step};
use super::turn::Turn;
use super::version::Target;
use crate::names::{EffectId, InstanceId, Place};
use crate::settings::PreCommand;

/// How the operator's check of a member stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberCheck {
    /// The instance that is asked.
    pub instance: InstanceId,
    /// Its run: one that exited since is asked anew.
    pub run: u32,
    /// How often it has said no.
    pub noes: u32,
    /// Why it said no last.
    pub why: Option<String>,
    /// What it says.
    pub answer: Answer,
}

/// What a member's check says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "says", rename_all = "snake_case")]
pub enum Answer {
    /// It is being asked.
    Nothing {
        /// The effect that runs it.
        effect: EffectId,
    },
    /// Not yet.
    No {
        /// When it is asked again.
        again_at: Timestamp,
    },
    /// The next one's turn has come.
    Yes {
        /// When it said so.
        at: Timestamp,
    },
}

/// A check that is due.
struct Due {
    place: Place,
    instance: InstanceId,
    run: u32,
    target: Target,
    command: PreCommand,
}

impl App {
    /// Whether the check has said yes of what a lane has changed. Once all serve nobody asks any more.
    pub(super) fn is_checked(&self, deployment: &Deployment, lane: &Lane) -> bool {
        if deployment.is_serving() {
            return true;
        }
        let yes = lane.check.as_ref().filter(|check| matches!(check.answer, Answer::Yes { .. }));
        let asks_nothing = |it: &Instance| self.check_of(it).is_none();
        if self.has_left(deployment, lane) {
            let is_later = yes.is_some_and(|check| ![lane.old, lane.new].contains(&Some(check.instance)));
            return is_later || self.witness(deployment).is_some_and(asks_nothing);
        }
        self.member(lane).filter(|it| Some(it.id) != lane.old).is_none_or(|it| {
            asks_nothing(it) || yes.is_some_and(|check| (check.instance, check.run) == (it.id, it.run))
        })
    }

    /// Who is asked after one has left.
    fn witness(&self, deployment: &Deployment) -> Option<&Instance> {
        let leaves = |it: &Instance| {
            deployment.lanes.get(&it.place).is_some_and(|lane| !lane.wants_new && lane.old == Some(it.id))
        };
        self.instances.values().filter(|it| it.is_ready()).min_by_key(|it| (leaves(it), it.place))
    }

    fn check_of(&self, it: &Instance) -> Option<&PreCommand> {
        self.revision(it.target)?.settings.member.check.as_ref()
    }

    /// When the next member is to be asked again; `None` while nobody is to be asked, or one is being asked.
    fn next_question(&self, deployment: &Deployment) -> Option<(Timestamp, Due)> {
        let is_asking = |lane: &Lane| {
            lane.check.as_ref().is_some_and(
                |it| matches!(it.answer, Answer::Nothing { effect } if self.outbox.contains_key(&effect)),
            )
        };
        if !deployment.takes_turns() || deployment.lanes.values().any(is_asking) {
            return None;
        }
        let questions =
            deployment.lanes.iter().filter_map(|(place, lane)| self.question(deployment, *place, lane));
        questions.min_by_key(|(at, due)| (*at, due.place))
    }

    fn question(&self, deployment: &Deployment, place: Place, lane: &Lane) -> Option<(Timestamp, Due)> {
        if self.is_checked(deployment, lane) {
            return None;
        }
        let of = match self.has_left(deployment, lane) {
            true => self.witness(deployment),
            false => self.member(lane).filter(|it| it.is_ready() && Some(it.id) != lane.old),
        }?;
        let command = self.check_of(of)?.clone();
        let due = Due { place, instance: of.id, run: of.run, target: of.target, command };
        let again_at = lane.check.as_ref().and_then(|check| match check.answer {
            Answer::No { again_at } if (check.instance, check.run) == (of.id, of.run) => Some(again_at),
            _ => None,
        });
        Some((again_at.unwrap_or(Timestamp::MIN), due))
    }

    /// When a member is asked again.
    pub(super) fn asks_again_at(&self, deployment: &Deployment) -> Option<Timestamp> {
        matches!(deployment.phase, Phase::Replacing | Phase::RollingBack { .. })
            .then(|| self.next_question(deployment).map(|(at, _)| at))?
    }
}

impl Turn {
    /// Asks the check of the next member that was brought up, if its time has come. One is asked at a time.
    pub(super) fn ask_members(&mut self) {
        let Some(deployment) = &self.app.deployment else { return };
        let id = deployment.id;
        let due = self.app.next_question(deployment).filter(|(at, _)| *at <= self.at);
        let Some((_, Due { place, instance, run, target, command })) = due else { return };
        let kind = RunKind::Member { instance };
        let command = CommandLine::Release(command);
        let effect = self.issue(Effect::Run { run: Run { kind, command, target, deployment: Some(id) } });
        let lane = self.deployment().lanes.entry(place).or_default();
        let of_it = lane.check.take().filter(|check| (check.instance, check.run) == (instance, run));
        let (noes, why) = of_it.map_or((0, None), |check| (check.noes, check.why));
        lane.check = Some(MemberCheck { instance, run, noes, why, answer: Answer::Nothing { effect } });
    }

    /// Nobody waits any more for what is being asked.
    pub(super) fn ask_no_more(&mut self) {
        let mut lanes = std::mem::take(&mut self.deployment().lanes);
        for lane in lanes.values_mut() {
            if let Some(Answer::Nothing { effect }) = lane.check.as_ref().map(|check| check.answer.clone()) {
                self.issue(Effect::Halt { run: effect });
                lane.check = None;
            }
        }
        self.deployment().lanes = lanes;
    }

    /// A member's check has ended.
    pub(super) fn member_answered(&mut self, id: EffectId, run: &Run, outcome: Outcome) {
        let is_it =
            |lane: &Lane| lane.check.as_ref().is_some_and(|it| it.answer == Answer::Nothing { effect: id });
        let lanes = self.app.deployment.iter().flat_map(|it| &it.lanes);
        let Some(place) = lanes.filter(|(_, lane)| is_it(lane)).map(|(place, _)| *place).next() else {
            return;
        };
        let has_left = |it: &Deployment| it.lanes.get(&place).is_some_and(|lane| self.app.has_left(it, lane));
        let of = if self.app.deployment.as_ref().is_some_and(has_left) { "without" } else { "of" };
        let settings = self.settings(run.target).member.clone();
        let (at, again_at) = (self.at, self.after(settings.retry_period));
        let lane = self.deployment().lanes.entry(place).or_default();
        let Some(check) = &mut lane.check else { return };
        let text = format!("{} `{}` {of} place {place}", run.kind, run.command);
        let (text, level, tail) = match outcome {
            Outcome::Ok { .. } | Outcome::Drained { .. } => {
                check.answer = Answer::Yes { at };
                let noes = match check.noes {
                    0 => String::new(),
                    1 => " after 1 no".to_owned(),
                    noes => format!(" after {noes} noes"),
                };
                (format!("{text}: yes{noes}"), Level::Info, None)
            }
            other => {
                let tail = if let Outcome::Failed { tail, .. } = &other { tail.clone() } else { None };
                let why = other.failure().unwrap_or_default();
                (check.answer, check.why) = (Answer::No { again_at }, Some(why.clone()));
                check.noes += 1;
                if check.noes > 1 {
                    // It was told that it is asked again and again.
                    return;
                }
                let wait = crate::human::duration(settings.retry_period);
                (format!("{text}: no, {why}; asked again every {wait}"), Level::Warning, tail)
            }
        };
        let note = self.note(Step::Command, text);
        (note.place, note.level, note.tail) = (Some(place), level, tail);
    }
}
