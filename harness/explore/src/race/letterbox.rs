use super::{
    RaceError,
    force::{Forcing, Reply},
};
use quarrel_strategy::stores::{Backend, Request, Response, Stale};

/// What a client of a forced race has been told and has not looked at.
///
/// Messages are held, lost and put in another order at the client's end: the
/// server has sent them, as to any client, and they lie here.
#[derive(Default)]
pub(super) struct Letterbox {
    by_tracking: Vec<Stale>,
    /// None while it does not listen to what is published.
    on_channel: Option<Vec<Stale>>,
}

/// Whether clients hear what the cache tells them of changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Messages {
    Arrive,
    Held,
}

impl Letterbox {
    /// Makes a call that only looks at what the client was told.
    pub(super) async fn look(
        &mut self,
        stores: &mut Backend,
        request: &Request,
        messages: Messages,
    ) -> Reply {
        stores.hear_out().await;
        let news = match stores.call(request).await? {
            Response::Invalidated(news) => news,
            other => return Ok(other),
        };
        let waiting = match request {
            Request::CacheHear => self.on_channel.get_or_insert_default(),
            _ => &mut self.by_tracking,
        };
        if news.contains(&Stale::All) {
            waiting.clear();
            return Ok(Response::Invalidated(vec![Stale::All]));
        }
        waiting.extend(news);
        Ok(Response::Invalidated(match messages {
            Messages::Held => Vec::new(),
            Messages::Arrive if waiting.contains(&Stale::All) => {
                waiting.clear();
                vec![Stale::All]
            }
            Messages::Arrive => std::mem::take(waiting),
        }))
    }

    /// Takes in what has arrived, and turns it round.
    async fn reverse(&mut self, stores: &mut Backend) -> Result<(), String> {
        stores.hear_out().await;
        let tracking = (&mut self.by_tracking, Request::CacheInvalidations);
        // Who does not listen would begin to.
        let channel = self.on_channel.as_mut().map(|waiting| (waiting, Request::CacheHear));
        for (waiting, request) in std::iter::once(tracking).chain(channel) {
            match stores.call(&request).await {
                Ok(Response::Invalidated(news)) => waiting.extend(news),
                other => return Err(format!("{other:?} came where messages were asked for")),
            }
            waiting.reverse();
        }
        Ok(())
    }
}

impl Forcing<'_> {
    /// The connections break on which clients are told of changes.
    pub(super) fn lose_messages(&mut self) {
        for actor in self.actors.values_mut() {
            actor.letters = Letterbox::default();
            if let Some(stores) = &mut actor.stores {
                stores.hang_up();
            }
        }
    }

    /// Who is told by tracking learns that everything was forgotten, as by
    /// `FLUSHALL`, which would take away more than the race's own.
    pub(super) fn forget_by_tracking(&mut self) {
        for actor in self.actors.values_mut() {
            actor.letters.by_tracking.push(Stale::All);
        }
    }

    /// What is on its way arrives in the opposite order.
    pub(super) async fn reorder_messages(&mut self, line: usize) -> Result<(), RaceError> {
        for actor in self.actors.values_mut() {
            let Some(stores) = &mut actor.stores else { continue };
            let turned = actor.letters.reverse(stores).await;
            turned.map_err(|what| RaceError::Failed { line, what })?;
        }
        Ok(())
    }
}
