//! Effects under way: those about the same thing are done one after another, the others side by side.

use std::collections::HashMap;
use std::future::Future;

use model::app::Effect;
use model::{DeploymentId, InstanceId, Place, VersionId};
use tokio::sync::oneshot;

/// What an effect is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    Instance(InstanceId),
    Links(Place),
    Version(VersionId),
    Commands(Option<DeploymentId>),
    Halt,
}

/// `None`: it waits for none. A route takes the place of those before it, and a drain only waits itself.
fn subject(effect: &Effect) -> Option<Subject> {
    Some(match effect {
        Effect::Create { instance }
        | Effect::Launch { instance }
        | Effect::Stop { instance }
        | Effect::Remove { instance }
        | Effect::Upgrade { instance, .. }
        | Effect::Undo { instance, .. }
        | Effect::Settle { instance, .. } => Subject::Instance(*instance),
        Effect::Run { run } => match run.kind {
            model::app::RunKind::Init { instance } => Subject::Instance(instance),
            _ => Subject::Commands(run.deployment),
        },
        Effect::Link { place, .. } => Subject::Links(*place),
        Effect::Stage { target, .. } => Subject::Version(target.version),
        Effect::Plan { to, .. } => Subject::Version(to.version),
        Effect::Forget { version, .. } => Subject::Version(*version),
        Effect::Halt { .. } => Subject::Halt,
        Effect::Route { .. } | Effect::Drain { .. } => return None,
    })
}

/// Keeps the order of effects about the same thing.
#[derive(Default)]
pub(crate) struct Order {
    last: HashMap<Subject, oneshot::Receiver<()>>,
}

impl Order {
    /// Wraps the doing of an effect so that it waits for the one before it about the same thing.
    pub(crate) fn after_earlier<F: Future>(
        &mut self,
        effect: &Effect,
        doing: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        // An earlier effect that has ended has dropped its sender.
        self.last.retain(|_, ended| matches!(ended.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        let (done, ended) = oneshot::channel::<()>();
        let earlier = subject(effect).and_then(|subject| self.last.insert(subject, ended));
        async move {
            let _done = done;
            if let Some(earlier) = earlier {
                // Its sender is dropped, never used: an error is what we wait for.
                let _ = earlier.await;
            }
            doing.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn effects_that_have_ended_are_forgotten() {
        let mut order = Order::default();
        for number in 0..1000 {
            let effect = Effect::Remove { instance: InstanceId(number) };
            order.after_earlier(&effect, async {}).await;
        }
        assert_eq!(order.last.len(), 1);
    }
}
