//! `member`: an app whose instances hold a cluster of data. They take turns: one is stopped, replaced in the same slot, and
//! the next one's turn comes when every other place is ready and the operator's check has said so of each that was brought
//! up. The way back goes by the same rules.
//!
//! What is away without our doing is brought back at once and beside others: a member may wait for its peers before it
//! is ready, and must not wait for us.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::App;
use super::deployment::{Deployment, Lane, Phase, Verdict};
use super::effect::{CommandLine, Effect, Run, RunKind};
use super::event::Outcome;
use super::instance::{Ending, Instance, Status};
use super::note::{Level, Step};
use super::turn::Turn;
use super::wants::later;
use crate::names::{EffectId, InstanceId, Place};
use crate::settings::{PreCommand, Strategy};

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

impl Deployment {
    /// Whether its places take turns. When everything is stopped, nobody is left to wait for.
    pub(super) fn takes_turns(&self) -> bool {
        self.strategy == Strategy::Member && self.to.is_some()
    }
}

impl Instance {
    /// Whether it was stopped for another one, or for good: it is not lost, and it did not fail.
    fn was_taken_away(&self) -> bool {
        matches!(
            &self.status,
            Status::Draining { why: Ending::Retired, .. }
                | Status::Stopping { why: Ending::Retired, .. }
                | Status::Stopped { why: Ending::Retired, .. }
        )
    }
}

/// A check that is due.
struct Due {
    place: Place,
    instance: InstanceId,
    run: u32,
    target: super::Target,
    command: PreCommand,
}

impl App {
    fn find(&self, id: Option<InstanceId>) -> Option<&Instance> {
        id.and_then(|id| self.instances.get(&id))
    }

    fn was_taken_away(&self, id: Option<InstanceId>) -> bool {
        self.find(id).is_some_and(Instance::was_taken_away)
    }

    /// The instance of a lane that is there, or shall be: the latest.
    fn member<'a>(&'a self, lane: &Lane) -> Option<&'a Instance> {
        [lane.back, lane.new, lane.old].into_iter().find_map(|id| self.find(id).filter(|it| !it.is_gone()))
    }

    /// Whether a lane had a member that left for good.
    fn has_left(&self, deployment: &Deployment, lane: &Lane) -> bool {
        if deployment.is_rolling_back() {
            let had = self.find(lane.new).is_some_and(|new| new.is_gone() && new.ready_at.is_some());
            lane.old.is_none() && lane.back.is_none() && had && !self.begins_whole(deployment)
        } else {
            !lane.wants_new && self.is_gone(lane.old)
        }
    }

    /// Whether a lane is to have a member now. On the way back, one that was empty shall be so again.
    fn wants_member(&self, deployment: &Deployment, lane: &Lane) -> bool {
        match deployment.is_rolling_back() {
            true => lane.old.is_some() || self.member(lane).is_some(),
            false => !self.has_left(deployment, lane),
        }
    }

    /// Whether all members there are come with the deployment: the cluster begins, and nobody has to take turns.
    fn begins_whole(&self, deployment: &Deployment) -> bool {
        deployment.lanes.values().all(|lane| lane.old.is_none())
            && self.instances.values().all(|it| it.is_gone() || deployment.lanes.contains_key(&it.place))
    }

    /// Whether the new member of a place may be started. It stands where the old one stood, so that one is gone; an old one
    /// that was lost before its turn is replaced by one of its own version, unless its turn has come.
    pub(super) fn may_start_member(&self, deployment: &Deployment, place: Place) -> bool {
        let Some(lane) = deployment.lanes.get(&place) else { return false };
        if lane.old.is_some() {
            let is_due = self.was_taken_away(lane.old) || self.may_take_away(deployment, place);
            return self.is_gone(lane.old) && is_due;
        }
        let mut before = deployment.lanes.range(..place).map(|(_, lane)| lane).filter(|it| it.old.is_none());
        self.begins_whole(deployment) || before.all(|lane| self.is_settled(lane))
    }

    /// Whether the old member of a place may be stopped: the others first if it is one that leaves for good, and of those
    /// the last place first.
    pub(super) fn may_retire_member(&self, deployment: &Deployment, place: Place, lane: &Lane) -> bool {
        if !deployment.takes_turns() {
            return true;
        }
        let mut stay = deployment.lanes.values().filter(|lane| lane.wants_new);
        let mut leave = deployment.lanes.range(place..).skip(1).filter(|(_, lane)| !lane.wants_new);
        let is_turn = lane.wants_new
            || (stay.all(|lane| self.is_settled(lane)) && leave.all(|(_, lane)| self.is_settled(lane)));
        is_turn && self.may_take_away(deployment, place)
    }

    /// Whether the new member of a place may be ended on the way back. One that was never ready is the one that is away;
    /// one that does not run just now may be replaced as long as we have taken no other away.
    pub(super) fn may_end_new_member(&self, deployment: &Deployment, place: Place, new: &Instance) -> bool {
        let is_down = matches!(new.status, Status::BackingOff { .. });
        let others = || deployment.lanes.iter().filter(|(at, _)| **at != place);
        new.ready_at.is_none()
            || self.may_take_away(deployment, place)
            || (is_down && !others().any(|(_, lane)| self.is_away(lane)))
    }

    /// Whether a place is without a ready member because of us.
    pub(super) fn is_away(&self, lane: &Lane) -> bool {
        (self.was_taken_away(lane.old) || self.was_taken_away(lane.new))
            && !self.member(lane).is_some_and(Instance::is_ready)
    }

    /// Whether a member may be taken away from a place: every other place is ready, and the check has said yes of each
    /// that was brought up.
    fn may_take_away(&self, deployment: &Deployment, place: Place) -> bool {
        let mut others = deployment.lanes.iter().filter(|(at, _)| **at != place).map(|(_, lane)| lane);
        let mut in_turn = || {
            self.missing_member(deployment, Some(place)).is_none()
                && others.all(|lane| self.is_checked(deployment, lane))
        };
        !self.is_unknown(place) && (self.begins_whole(deployment) || in_turn())
    }

    /// The first place, besides one, that shall have a ready member and has none, or of which nobody knows.
    fn missing_member(&self, deployment: &Deployment, besides: Option<Place>) -> Option<Place> {
        // What is brought up serves only once the proxy has heard of it.
        let serves = |it: &Instance| it.is_ready() && self.is_routed(Some(it.id));
        let in_lane =
            |lane: &Lane| !self.wants_member(deployment, lane) || self.member(lane).is_some_and(serves);
        let is_there = |place: Place| match deployment.lanes.get(&place) {
            Some(lane) => in_lane(lane),
            None => self.living(place).any(Instance::is_ready),
        };
        let replicas = self.active().map_or(0, |active| self.replicas(active));
        let all: BTreeSet<Place> =
            deployment.lanes.keys().copied().chain((1..=replicas).map(Place)).collect();
        all.into_iter()
            .filter(|place| Some(*place) != besides)
            .find(|place| !is_there(*place) || self.is_unknown(*place))
    }

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

    /// When the way back has waited for others long enough: `deploy_deadline` after it came on last. While something is
    /// brought up or stopped, that has its own deadline.
    pub(super) fn way_back_ends(&self, deployment: &Deployment) -> Option<Timestamp> {
        let is_back = matches!(deployment.phase, Phase::RollingBack { .. }) && deployment.takes_turns();
        let lanes = || deployment.lanes.values();
        let is_under_way = |lane: &Lane| {
            let mut its = [lane.old, lane.new, lane.back].into_iter().filter_map(|id| self.find(id));
            its.any(|it| it.is_ending() && !it.is_gone())
        };
        if !is_back || lanes().any(is_under_way) || self.brought_up(deployment).next().is_some() {
            return None;
        }
        let ready = lanes().filter_map(|lane| self.find(lane.back)?.ready_at);
        let yes = lanes().filter_map(|lane| match lane.check.as_ref()?.answer {
            Answer::Yes { at } => Some(at),
            _ => None,
        });
        let since = ready.chain(yes).chain(deployment.turned_at).max()?;
        later(since, self.revision(deployment.from.or(deployment.to)?)?.settings.deploy_deadline)
    }

    /// What the members wait for when they wait for each other, and whether that says something against the version.
    pub(super) fn members_wait_for(&self, deployment: &Deployment) -> Option<(String, Verdict)> {
        if !deployment.takes_turns() {
            return None;
        }
        let unsure = deployment.lanes.iter().find(|(_, lane)| !self.is_checked(deployment, lane));
        let no = unsure.and_then(|(place, lane)| Some((place, lane.check.as_ref()?)));
        if let Some((place, check)) = no {
            let why = check.why.as_deref().unwrap_or("it has not ended");
            let text = format!("the check of place {place} (member.check) did not say yes: {why}");
            return Some((text, Verdict::RolledBack));
        }
        let place = self.missing_member(deployment, None)?;
        let text = format!("place {place} was not ready, so that no other member could be stopped");
        Some((text, Verdict::Interrupted))
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
        let settings = self.settings(run.target).member;
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
