//! `member`: an app whose instances hold a cluster of data. They take turns: one is stopped, replaced in the same slot, and
//! the next one's turn comes when every other place is ready and the operator's check has said so of each that was brought
//! up. The way back goes by the same rules.
//!
//! What is away without our doing is brought back at once and beside others: a member may wait for its peers before it
//! is ready, and must not wait for us.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::App;
use super::deployment::{Deployment, Lane, Phase, Verdict};
use super::instance::{Ending, Instance, Status};
use super::member_check::Answer;
use super::wants::later;
use crate::names::{InstanceId, Place};
use crate::settings::Strategy;

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

impl App {
    fn find(&self, id: Option<InstanceId>) -> Option<&Instance> {
        id.and_then(|id| self.instances.get(&id))
    }

    fn was_taken_away(&self, id: Option<InstanceId>) -> bool {
        self.find(id).is_some_and(Instance::was_taken_away)
    }

    /// The instance of a lane that is there, or shall be: the latest.
    pub(super) fn member<'a>(&'a self, lane: &Lane) -> Option<&'a Instance> {
        [lane.back, lane.new, lane.old].into_iter().find_map(|id| self.find(id).filter(|it| !it.is_gone()))
    }

    /// Whether a lane had a member that left for good.
    pub(super) fn has_left(&self, deployment: &Deployment, lane: &Lane) -> bool {
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
