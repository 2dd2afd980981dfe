//! What can go on next in an execution, and what happens beside messages.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::stream::FuturesUnordered;
use quarrel_checkers::{Content, Kind, Object, Op, Reply, Site, Step, Value};
use quarrel_faultproxy::Decision;
use tokio::time::Instant;

use super::{
    executor::{Lost, Taken, Warmth},
    mishap::{AppFault, Deed},
    nature::Replays,
    ongoing::{Ongoing, Waiting},
    tree::{Choice, Next},
};
use crate::{shape::blank, wire::Effect};
use quarrel_strategy::{stores::StoreError, strategy::OPERATOR};

/// How long a late message may take to be done.
const DONE: Duration = Duration::from_millis(300);

impl<N: FnMut(usize, &[Choice]) -> Next> Ongoing<'_, N> {
    /// What can go on: the oldest message of each client that waits; with it
    /// every fault that may still strike.
    pub(super) fn enabled(&self) -> Vec<Choice> {
        let parts = self.parts.iter().enumerate();
        let plain: Vec<Choice> = parts
            .filter_map(|(client, part)| {
                let waiting = part.waiting.front()?;
                {
                    let begins = if part.has_begun { Begins::Nothing } else { Begins::AnOperation };
                    Some(choice(client, waiting, begins, waiting.turn.clone()))
                }
            })
            .collect();
        if plain.is_empty() {
            return plain;
        }
        let mut all = plain.clone();
        if self.struck < self.executor.strikes {
            for (choice, fault) in plain
                .iter()
                .flat_map(|choice| self.executor.faults.iter().map(move |f| (choice, f)))
            {
                let deed = match fault {
                    AppFault::Cut(site) if *site == choice.site => Deed::Breaks,
                    AppFault::ReplyLost(site) if *site == choice.site => Deed::LosesReply,
                    AppFault::LateMessage if choice.site == Site::Cache => Deed::Dawdles,
                    _ => continue,
                };
                if choice.deed == Deed::GoesOn {
                    all.push(Choice { deed, ..choice.clone() });
                }
            }
            all.extend(self.besides().into_iter().map(|deed| self.beside_choice(deed)));
        }
        if self.executor.nature.has_saved() {
            all.push(self.beside_choice(Deed::ComesBack));
        }
        if self.is_behind {
            all.push(self.beside_choice(Deed::CatchesUp));
        }
        let late = self.late.iter();
        all.extend(
            late.map(|(client, waiting)| choice(*client, waiting, Begins::Nothing, Deed::Arrives)),
        );
        all
    }

    /// Faults that strike the stores themselves.
    fn besides(&self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        let stored = self.stored();
        for fault in &self.executor.faults {
            match fault {
                AppFault::CacheWiped if !stored.is_empty() => deeds.push(Deed::Forgets(None)),
                AppFault::CacheRollback if !self.executor.nature.has_saved() => {
                    deeds.push(Deed::Saves);
                }
                AppFault::Eviction => {
                    let names = stored.iter().map(|name| blank(name, self.row));
                    let names: BTreeSet<String> = names.collect();
                    deeds.extend(names.into_iter().map(|name| Deed::Forgets(Some(name))));
                }
                // A change by hand would wait for whoever holds the row.
                AppFault::ManualSql if !self.parts.iter().any(|part| part.holds_row) => {
                    deeds.push(Deed::Changes);
                }
                _ => {}
            }
        }
        deeds
    }

    /// Entries in which something may be.
    fn stored(&self) -> Vec<String> {
        let is_warm = self.warmth == Warmth::Warm;
        let stored = self.entries.iter().filter(|(_, stored)| *stored || is_warm);
        let mut names: Vec<String> = stored.map(|(name, _)| name.clone()).collect();
        names.dedup();
        names
    }

    fn beside_choice(&self, deed: Deed) -> Choice {
        let (site, shape) = deed.shape();
        Choice {
            client: self.parts.len(),
            site,
            shape: shape.into(),
            effect: Effect::Writes,
            keys: Vec::new(),
            is_first: false,
            deed,
        }
    }

    /// A message goes on, or breaks.
    pub(super) fn let_go(
        &mut self,
        client: usize,
        deed: &Deed,
        waiting: &Waiting,
    ) -> Result<(), Lost> {
        let decision = match deed {
            Deed::Breaks => Decision::ResetBefore,
            Deed::LosesReply => Decision::ResetAfter,
            _ => Decision::Forward,
        };
        if decision == Decision::ResetBefore {
            self.executor.scribe.breaks(waiting.id);
        }
        if decision != Decision::Forward {
            self.execution.struck.insert(client);
        }
        if waiting.turn == Deed::GoesOn && decision != Decision::ResetBefore {
            let message = &waiting.message;
            let part = &mut self.parts[client];
            part.may_wait = message.site == Site::Primary
                && matches!(message.effect, Effect::Hidden | Effect::Writes);
            match message.effect {
                Effect::Hidden => part.holds_row = true,
                Effect::Commits | Effect::TakesBack => part.holds_row = false,
                Effect::Writes if message.site == Site::Cache => {
                    self.entries.extend(message.keys.iter().map(|name| (name.clone(), true)));
                }
                _ => {}
            }
            if self.executor.holds_replies {
                self.unanswered.insert(waiting.id, message.clone());
            }
        }
        self.decide_to(waiting.id, decision)
    }

    /// Something happens that no client asked for.
    pub(super) async fn beside(&mut self, choice: Choice) -> Result<(), Lost> {
        let deed = choice.deed.clone();
        self.execution.taken.push(Taken { choice, values: Vec::new(), ended: None });
        self.ticks = 0;
        let names: Vec<String> = {
            let names: BTreeSet<String> =
                self.entries.iter().map(|(name, _)| name.clone()).collect();
            names.into_iter().collect()
        };
        match deed {
            Deed::Forgets(None) => self.executor.nature.forget(&names).await,
            Deed::Forgets(Some(shape)) => {
                let is_it = |name: &&String| blank(name, self.row) == shape;
                let names: Vec<String> = names.iter().filter(is_it).cloned().collect();
                self.executor.nature.forget(&names).await
            }
            Deed::Saves => self.executor.nature.save(&names).await,
            Deed::ComesBack => self.executor.nature.come_back(&names).await,
            Deed::Changes => self.change_by_hand().await,
            _ => self.catch_up().await,
        }
    }

    async fn change_by_hand(&mut self) -> Result<(), Lost> {
        let app = Arc::clone(&self.executor.app);
        let value = app.unused_value();
        let op = Op::write(self.key, value.clone());
        let start = self.now();
        self.execution.history.push(start, OPERATOR, Kind::Invoke, op.clone(), None);
        app.change_by_hand(self.key, &value).await?;
        let end = self.now();
        self.execution.history.push(end, OPERATOR, Kind::Ok, op, None);
        self.execution.history.steps.push(Step {
            operation: None,
            process: OPERATOR,
            start,
            end: Some(end),
            site: Site::Primary,
            verb: "UPDATE".into(),
            object: Some(Object::of(self.key)),
            argument: Some(Content::Row { value: value.clone(), version: 0 }),
            reply: Reply::Done { version: None },
            lsn: None,
        });
        if let Some(taken) = self.execution.taken.last_mut() {
            taken.values.push(value);
        }
        Ok(())
    }

    /// The replica replays nothing from the beginning on, if it may lag.
    pub(super) async fn begin_behind(&mut self) -> Result<(), Lost> {
        self.executor.nature.begin();
        if self.executor.faults.contains(&AppFault::ReplicaLag) {
            self.executor.nature.replay(Replays::Nothing).await?;
            self.is_behind = true;
        }
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<(), Lost> {
        if std::mem::take(&mut self.is_behind) {
            self.executor.nature.replay(Replays::Everything).await?;
        }
        self.level().await
    }

    /// Returns when the replica holds what the primary does, unless it is held
    /// back: how long it takes by itself is no choice of the search, and a busy
    /// machine is no finding.
    pub(super) async fn level(&self) -> Result<(), Lost> {
        if self.is_behind {
            return Ok(());
        }
        let app = Arc::clone(&self.executor.app);
        let auditor = self.executor.roles.len() as u64;
        if let Some(value) = app.held(auditor, self.key).await? {
            app.replicated(auditor, self.key, &value).await?;
        }
        Ok(())
    }

    /// A request arrives whose client has given it up.
    pub(super) async fn arrive(&mut self, choice: Choice) -> Result<(), Lost> {
        let found = self.late.iter().position(|(client, waiting)| {
            *client == choice.client && waiting.message.shape == choice.shape
        });
        let Some(found) = found else {
            return Err(Lost::Diverged("a late message is gone".to_owned()));
        };
        let (_, waiting) = self.late.remove(found);
        let values = waiting.message.values.clone();
        self.execution.taken.push(Taken { choice, values, ended: None });
        self.ticks = 0;
        self.decide_to(waiting.id, Decision::Forward)?;
        let start = Instant::now();
        let mut nobody: FuturesUnordered<std::future::Pending<Answer>> = FuturesUnordered::new();
        while !self.answered.contains(&waiting.id) && start.elapsed() < DONE {
            self.hear(Duration::from_millis(5), &mut nobody).await?;
        }
        Ok(())
    }

    /// What is still under way when every operation has ended: late messages
    /// arrive, a cache that saved comes back, and the replica catches up.
    pub(super) async fn end(&mut self) -> Result<(), Lost> {
        while let Some((client, waiting)) = self.late.first() {
            let choice = choice(*client, waiting, Begins::Nothing, Deed::Arrives);
            self.arrive(choice).await?;
        }
        if self.executor.nature.has_saved() {
            let choice = self.beside_choice(Deed::ComesBack);
            self.beside(choice).await?;
        }
        self.catch_up().await
    }
}

/// Whether letting a message go on begins what its client does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    AnOperation,
    Nothing,
}

type Answer = (usize, Result<Option<Value>, StoreError>);

fn choice(client: usize, waiting: &Waiting, begins: Begins, deed: Deed) -> Choice {
    let message = &waiting.message;
    Choice {
        client,
        site: message.site,
        shape: Arc::clone(&message.shape),
        effect: message.effect,
        keys: message.keys.clone(),
        is_first: begins == Begins::AnOperation,
        deed,
    }
}
